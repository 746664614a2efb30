import { errorText } from "../base/errors.ts";
import { offeredSubprotocols, SUBPROTOCOL } from "./access.ts";
import type { Refusal } from "./errors.ts";
import {
  type SignallingSocket,
  ViewerConnection,
  type ViewerConnectionOptions,
} from "./connection.ts";
import {
  CLOSE_REASON_BYTES_MAX,
  OPEN_WAIT_MS,
  WEB_SOCKET_IDLE_S,
  WEB_SOCKETS_MAX,
} from "./limits.ts";
import type { Departure } from "./viewer_link.ts";

/** What {@link WebSockets} may be told apart from its defaults. */
export interface WebSocketsOptions {
  /** Sockets at one time. Default {@link WEB_SOCKETS_MAX}. */
  readonly socketsMax?: number;
  /** Seconds of silence after which a socket counts as broken. Default {@link WEB_SOCKET_IDLE_S}. */
  readonly idleS?: number;
  /** Aborted when the server goes down: every socket, open or new, is told `shutting_down`. */
  readonly signal?: AbortSignal;
}

/** How a request becomes a connection. */
export interface AcceptOptions extends ViewerConnectionOptions {
  /**
   * Told as soon as the socket is open, which then closes. A browser shows its page no HTTP status of a WebSocket, so
   * a refusal that the page should understand has to come through one.
   */
  readonly refusal?: Refusal;
  /** Told of each message that was taken. */
  readonly taken?: () => void;
  /** Told when this side closes the socket; the client may never answer that. */
  readonly closed?: () => void;
}

const SHUTTING_DOWN: Refusal = { code: "shutting_down", message: "The server is shutting down" };

const CROWDED: Refusal = { code: "internal", message: "Too many connections; offer again later" };

/** All signalling sockets of the server, each tied to its connection. */
export class WebSockets {
  readonly #socketsMax: number;
  readonly #idleS: number;
  readonly #signal: AbortSignal | undefined;
  /** From the upgrade on, until the TCP connection is gone; `undefined` before the socket is open. */
  readonly #sockets = new Map<WebSocket, ViewerConnection | undefined>();

  constructor(
    { socketsMax = WEB_SOCKETS_MAX, idleS = WEB_SOCKET_IDLE_S, signal }: WebSocketsOptions = {},
  ) {
    this.#socketsMax = socketsMax;
    this.#idleS = idleS;
    this.#signal = signal;
    signal?.addEventListener("abort", () => {
      for (const connection of this.#sockets.values()) connection?.refuse(SHUTTING_DOWN);
    });
  }

  /** Makes room for another socket, at the cost of the oldest that has no viewer. @returns False when there is none. */
  makeRoom(): boolean {
    if (this.#sockets.size < this.#socketsMax) return true;
    for (const [socket, connection] of this.#sockets) {
      if (connection === undefined || connection.hasViewer) continue;
      this.#sockets.delete(socket);
      connection.refuse(CROWDED);
      return true;
    }
    return false;
  }

  /**
   * Upgrades a request.
   * @returns The response that completes the upgrade.
   * @throws {TypeError} When the request is no valid WebSocket handshake.
   */
  accept(request: Request, { refusal, taken, closed, ...options }: AcceptOptions): Response {
    // Before the upgrade, after which Deno gives the request's headers to nobody.
    const speaksOurs = offeredSubprotocols(request).includes(SUBPROTOCOL);
    const { socket, response } = Deno.upgradeWebSocket(request, { idleTimeout: this.#idleS });
    // Chosen here since Deno takes no list without blanks. A token that stands in it never comes back.
    if (speaksOurs) {
      response.headers.set("Sec-WebSocket-Protocol", SUBPROTOCOL);
    }
    this.#sockets.set(socket, undefined);
    const cancelWait = options.clock.after(OPEN_WAIT_MS, () => this.#sockets.delete(socket));
    socket.onopen = () => {
      cancelWait();
      const closing = () => {
        // Counted no longer: whoever does not answer the close would hold a place for ever.
        this.#sockets.delete(socket);
        closed?.();
      };
      const connection = new ViewerConnection(narrow(socket, closing), options);
      this.#sockets.set(socket, connection);
      const told = this.#signal?.aborted ? SHUTTING_DOWN : refusal;
      if (told !== undefined) connection.refuse(told);
    };
    socket.onmessage = ({ data }) => {
      taken?.();
      this.#sockets.get(socket)?.receive(data);
    };
    socket.onclose = (event) => this.#gone(socket, departureOf(event));
    socket.onerror = (event) => options.log.debug("web_socket_error", { error: describe(event) });
    return response;
  }

  /** Deno may report the end of a socket twice, a ping without an answer first; the first report tells the truth. */
  #gone(socket: WebSocket, departure: Departure): void {
    const connection = this.#sockets.get(socket);
    this.#sockets.delete(socket);
    connection?.disconnected(departure);
  }
}

/**
 * A page that leaves says 1000, 1001 or nothing (1005). Deno reports a connection that broke off as unclean, with the
 * code 0, or 1001 after a ping without an answer; a browser would call both 1006 (RFC 6455 §7.1.5).
 */
function departureOf({ code, wasClean }: CloseEvent): Departure {
  return wasClean && (code === 1000 || code === 1001 || code === 1005) ? "clean" : "broken";
}

function narrow(socket: WebSocket, closing: () => void): SignallingSocket {
  return {
    get bufferedAmount() {
      return socket.bufferedAmount;
    },
    // Sending on a closed socket does nothing; before it is open nobody has it.
    send: (text) => socket.send(text),
    close(code, reason) {
      socket.close(code, cutToBytes(reason, CLOSE_REASON_BYTES_MAX));
      closing();
    },
  };
}

/** The longest beginning of `text` that has at most `bytesMax` bytes of UTF-8 and ends between characters. */
function cutToBytes(text: string, bytesMax: number): string {
  const { read } = new TextEncoder().encodeInto(text, new Uint8Array(bytesMax));
  return text.slice(0, read);
}

function describe(event: Event): string {
  return event instanceof ErrorEvent ? event.message || errorText(event.error) : event.type;
}
