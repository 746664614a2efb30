import { offeredSubprotocols, SUBPROTOCOL } from "./access.ts";
import type { ClientConnection, OpenWebSocket, WebSocketEnd } from "./client_connection.ts";
import {
  type SignallingSocket,
  ViewerConnection,
  type ViewerConnectionOptions,
} from "./connection.ts";
import type { Refusal } from "./refusals.ts";
import { CLOSE_REASON_BYTES_MAX, WEB_SOCKET_IDLE_S, WEB_SOCKETS_MAX } from "./limits.ts";
import type { Departure } from "./viewer_relay.ts";

/** Options of {@link WebSockets}. */
export interface WebSocketsOptions {
  /** Maximum open sockets. Default {@link WEB_SOCKETS_MAX}. */
  readonly socketsMax?: number;
  /** Seconds of silence after which a socket counts as broken. Default {@link WEB_SOCKET_IDLE_S}. */
  readonly idleS?: number;
  /** Aborts when the server shuts down: every socket, open or new, gets `shutting_down`. */
  readonly signal?: AbortSignal;
}

export interface WebSocketAcceptOptions extends ViewerConnectionOptions {
  /**
   * Sent as soon as the socket is open, which then closes. Browsers do not show a page the HTTP status of a WebSocket,
   * so a refusal has to be sent through an open one.
   */
  readonly refusal?: Refusal;
  /** The connection of the request. */
  readonly client: ClientConnection;
}

const SHUTTING_DOWN: Refusal = { code: "shutting_down", message: "The server is shutting down" };

const CROWDED: Refusal = { code: "internal", message: "Too many connections; offer again later" };

/** All signalling sockets of the server, each with its connection. */
export class WebSockets {
  readonly #socketsMax: number;
  readonly #idleS: number;
  readonly #signal: AbortSignal | undefined;
  /**
   * Until the TCP connection ends or this side has closed it: a client that does not answer the close does not count.
   */
  readonly #connections = new Set<ViewerConnection>();

  constructor(
    { socketsMax = WEB_SOCKETS_MAX, idleS = WEB_SOCKET_IDLE_S, signal }: WebSocketsOptions = {},
  ) {
    this.#socketsMax = socketsMax;
    this.#idleS = idleS;
    this.#signal = signal;
    signal?.addEventListener("abort", () => {
      for (const connection of this.#connections) connection.refuse(SHUTTING_DOWN);
    });
  }

  /** Makes room for another socket by closing the oldest without a viewer. @returns False if there is none. */
  makeRoom(): boolean {
    if (this.#connections.size < this.#socketsMax) return true;
    for (const connection of this.#connections) {
      if (connection.hasViewer) continue;
      this.#connections.delete(connection);
      connection.refuse(CROWDED);
      return true;
    }
    return false;
  }

  /**
   * Upgrades a request.
   * @throws {TypeError} When the request is not a valid WebSocket handshake.
   */
  accept(request: Request, { refusal, client, ...options }: WebSocketAcceptOptions): void {
    // Never echo a token from the list.
    const speaksOurs = offeredSubprotocols(request).includes(SUBPROTOCOL);
    const socket = client.upgrade({
      ...(speaksOurs ? { subprotocol: SUBPROTOCOL } : {}),
      idleS: this.#idleS,
      listener: {
        message: (text) => connection.receive(text),
        closed: (end) => {
          this.#connections.delete(connection);
          connection.disconnected(departureOf(end));
        },
      },
    });
    const closing = () => this.#connections.delete(connection);
    const connection: ViewerConnection = new ViewerConnection(narrow(socket, closing), options);
    this.#connections.add(connection);
    const told = this.#signal?.aborted ? SHUTTING_DOWN : refusal;
    if (told !== undefined) connection.refuse(told);
  }
}

/** A page that leaves sends 1000, 1001 or no code (1005). A broken connection has 1006 (RFC 6455 §7.1.5). */
function departureOf({ code }: WebSocketEnd): Departure {
  return code === 1000 || code === 1001 || code === 1005 ? "clean" : "broken";
}

function narrow(socket: OpenWebSocket, closing: () => void): SignallingSocket {
  return {
    bufferedBytes: () => socket.bufferedBytes(),
    send: (text) => socket.send(text),
    close(code, reason) {
      socket.close(code, cutToBytes(reason, CLOSE_REASON_BYTES_MAX));
      closing();
    },
  };
}

/** The longest prefix of `text` that has at most `bytesMax` bytes of UTF-8 and ends between characters. */
function cutToBytes(text: string, bytesMax: number): string {
  const { read } = new TextEncoder().encodeInto(text, new Uint8Array(bytesMax));
  return text.slice(0, read);
}
