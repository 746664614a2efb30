import { VIEWER_ASSETS } from "../../../src/viewer/assets.ts";
import { TcpRelay } from "../network/tcp_relay.ts";

/** A signalling message, of either side. */
export interface SignallingMessage {
  readonly type: string;
  readonly [field: string]: unknown;
}

/** Answers one message of a client with any number of messages, of which an `error` also closes the WebSocket. */
export type Reply = (message: SignallingMessage) => Promise<SignallingMessage[]>;

const CONTENT_POLICY = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; " +
  "connect-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'";

const ELEMENT_PAGE = '<!doctype html><html lang="en"><title>Page</title>' +
  '<link rel="icon" href="icon.svg"><body></body></html>';
const EMBEDDING_PAGE = '<!doctype html><html lang="en"><title>Page</title><video></video></html>';

/**
 * Serves the viewer page, the client, an otherwise empty `/embed` page with a video, an empty `/element` page
 * with a content policy, and a `/ws/` end point that does what the test says. Browsers reach it through a relay, so that
 * their connections can be cut as a tunnel cuts them.
 */
export class FakeSignalling implements AsyncDisposable {
  /** Every message of the clients, in order, after the path of its WebSocket. */
  readonly received: { readonly path: string; readonly message: SignallingMessage }[] = [];
  /** Replies to come, first one first; the last one stays. */
  readonly script: Reply[] = [];
  /** Cuts connections, and the ways to new ones. */
  readonly relay: TcpRelay;
  readonly #server: Deno.HttpServer<Deno.NetAddr>;
  readonly #sockets = new Set<WebSocket>();
  readonly #waiting = new Set<() => void>();
  #closed = false;

  constructor() {
    this.#server = Deno.serve(
      { hostname: "127.0.0.1", port: 0, onListen() {} },
      (request) => this.#handle(request),
    );
    this.relay = new TcpRelay(this.#server.addr.port);
  }

  /** Where browsers find it, such as `http://127.0.0.1:40123`. */
  get origin(): string {
    return `http://127.0.0.1:${this.relay.port}`;
  }

  /** Waits until `count` messages of this type have come, and gives the last of them. */
  async nth(type: string, count: number): Promise<SignallingMessage> {
    while (true) {
      const message = this.ofType(type)[count - 1];
      if (message) return message;
      await new Promise<void>((resolve) => this.#waiting.add(resolve));
    }
  }

  /** All messages of this type so far. */
  ofType(type: string): SignallingMessage[] {
    return this.received.map(({ message }) => message).filter((message) => message.type === type);
  }

  /** Sends to every connected client. */
  broadcast(message: SignallingMessage): void {
    for (const socket of this.#sockets) socket.send(JSON.stringify(message));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closed = true;
    this.relay.close();
    await this.#server.shutdown();
  }

  #handle(request: Request): Response {
    const { pathname, search } = new URL(request.url);
    if (pathname.startsWith("/ws/")) return this.#upgrade(request, pathname + search);
    if (pathname === "/embed") return respond("text/html", EMBEDDING_PAGE);
    const asset = pathname === "/element"
      ? { type: "text/html", body: ELEMENT_PAGE }
      : VIEWER_ASSETS.get(pathname);
    if (!asset) return new Response("Not found", { status: 404 });
    const response = respond(asset.type, asset.body);
    response.headers.set("content-security-policy", CONTENT_POLICY);
    return response;
  }

  #upgrade(request: Request, path: string): Response {
    const { socket, response } = Deno.upgradeWebSocket(request);
    this.#sockets.add(socket);
    socket.onclose = () => this.#sockets.delete(socket);
    socket.onmessage = ({ data }) => this.#received(socket, { path, message: JSON.parse(data) });
    return response;
  }

  async #received(
    socket: WebSocket,
    received: { path: string; message: SignallingMessage },
  ): Promise<void> {
    this.received.push(received);
    for (const wake of this.#waiting) wake();
    this.#waiting.clear();
    const { type } = received.message;
    const reply = type === "offer" || type === "resume" ? this.#nextReply() : undefined;
    const messages = await reply?.(received.message).catch((error) => {
      // A browser that is closed at the end of a test takes its streamer along.
      if (this.#closed) return [];
      throw error;
    });
    for (const message of messages ?? []) {
      if (socket.readyState !== WebSocket.OPEN) return;
      socket.send(JSON.stringify(message));
      if (message.type === "error") socket.close(4429);
    }
  }

  #nextReply(): Reply | undefined {
    return this.script.length > 1 ? this.script.shift() : this.script[0];
  }
}

function respond(type: string, body: string): Response {
  return new Response(body, { headers: { "content-type": type, "cache-control": "no-store" } });
}
