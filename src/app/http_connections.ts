import type { Buffer } from "node:buffer";
import { createServer, type IncomingMessage, type Server, ServerResponse } from "node:http";
import type { Socket } from "node:net";
import type { Clock } from "../base/clock.ts";
import { errorText } from "../base/errors.ts";
import type { Logger } from "../base/log.ts";
import { NULL_TRACER, type SpanAttributes, type Tracer } from "../base/tracer.ts";
import type { ClientConnection } from "../signalling/client_connection.ts";
import { type HttpApp, shownPath } from "../signalling/http_app.ts";
import { CLIENT_WINDOW_BYTES, HEAD_BYTES_MAX } from "../signalling/limits.ts";
import { ClientStream } from "./client_stream.ts";
import { hasBody, requestOf, sendResponse } from "./http_messages.ts";
import { WebSocketUpgrader } from "./web_socket_upgrade.ts";

/** Options of {@link HttpConnections}. */
export interface HttpConnectionsOptions {
  readonly app: HttpApp;
  readonly clock: Clock;
  readonly log: Logger;
  /** Default: none. */
  readonly tracer?: Tracer;
}

interface Failure {
  readonly code?: string;
}

const BAD_REQUEST = 400;
const HEAD_TOO_LONG = 431;

/** Reads requests from accepted connections, and writes the app's responses. */
export class HttpConnections {
  readonly #app: HttpApp;
  readonly #log: Logger;
  readonly #tracer: Tracer;
  readonly #webSockets: WebSocketUpgrader;
  readonly #server: Server;

  constructor({ app, clock, log, tracer = NULL_TRACER }: HttpConnectionsOptions) {
    this.#app = app;
    this.#log = log;
    this.#tracer = tracer;
    this.#webSockets = new WebSocketUpgrader(clock);
    // Node's deadlines are off: those of the streams are finer, and apply before a head and on WebSockets too.
    const server = createServer({
      maxHeaderSize: HEAD_BYTES_MAX,
      headersTimeout: 0,
      requestTimeout: 0,
      keepAliveTimeout: 0,
    });
    // Deno 2.9.6 ends each connection after its first response if the server does not listen itself.
    Object.defineProperty(server, "listening", { value: true });
    Object.assign(server, { shouldUpgradeCallback: asksForWebSocket });
    server.on("request", (incoming, outgoing) => {
      this.#guard(incoming, this.#answer(incoming, outgoing));
    });
    server.on("upgrade", (incoming, _, head) => {
      this.#guard(incoming, this.#answerUpgrade(incoming, head));
    });
    server.on("clientError", (error: Failure, socket) => this.#fail(error, socket));
    this.#server = server;
  }

  /** Takes a connection whose first bytes have arrived. */
  take(stream: ClientStream): void {
    this.#server.emit("connection", stream);
  }

  /** Ends the connection if the response fails, since nothing else would. */
  #guard(incoming: IncomingMessage, answering: Promise<void>): void {
    answering.catch((error) => {
      this.#log.error("http_failed", { method: incoming.method, error: errorText(error) });
      incoming.socket.destroy();
    });
  }

  async #answer(incoming: IncomingMessage, outgoing: ServerResponse): Promise<void> {
    const stream = streamOf(incoming);
    stream.begin();
    if (hasBody(incoming)) {
      stream.awaitBody();
      incoming.once("end", () => stream.bodyArrived());
    }
    const leaving = new AbortController();
    outgoing.once("close", () => {
      stream.bodyArrived();
      stream.finish();
      if (!outgoing.writableFinished) leaving.abort();
    });
    // The connection broke: the reader of the request's body gets the error.
    incoming.on("error", () => {});
    const response = await this.#responseTo(incoming, {
      signal: leaving.signal,
      connection: NO_UPGRADE,
    });
    // The unread rest of the body would fill the TCP window and block the next request.
    if (Number(incoming.headers["content-length"]) > CLIENT_WINDOW_BYTES) {
      outgoing.shouldKeepAlive = false;
    }
    await this.#send(response, { incoming, outgoing });
    dropBody(incoming);
  }

  async #answerUpgrade(incoming: IncomingMessage, head: Buffer): Promise<void> {
    const stream = streamOf(incoming);
    // An upgrade is refused while an earlier request is being answered, since that response still uses the stream.
    if (stream.isAnswering) return void stream.destroy();
    stream.begin();
    const leaving = new AbortController();
    const abort = () => leaving.abort();
    stream.once("close", abort);
    let isUpgraded = false;
    const response = await this.#responseTo(incoming, {
      signal: leaving.signal,
      connection: {
        upgrade: (options) => {
          const socket = this.#webSockets.open({ stream, incoming, head }, options);
          isUpgraded = true;
          return socket;
        },
      },
    });
    stream.off("close", abort);
    if (isUpgraded) return;
    const outgoing = new ServerResponse(incoming);
    outgoing.shouldKeepAlive = false;
    outgoing.assignSocket(stream as unknown as Socket);
    outgoing.once("finish", () => stream.destroySoon());
    outgoing.once("close", () => stream.finish());
    await this.#send(response, { incoming, outgoing });
  }

  async #responseTo(
    incoming: IncomingMessage,
    { signal, connection }: { signal: AbortSignal; connection: ClientConnection },
  ): Promise<Response> {
    const request = requestOf(incoming, signal);
    if (request === undefined) return new Response("Bad request\n", { status: BAD_REQUEST });
    try {
      return await this.#tracer.within(
        spanOf(request),
        async () => await this.#app(request, connection),
      );
    } catch (error) {
      this.#log.error("http_failed", { method: request.method, error: errorText(error) });
      return new Response("Internal server error\n", { status: 500 });
    }
  }

  async #send(
    response: Response,
    { incoming, outgoing }: { incoming: IncomingMessage; outgoing: ServerResponse },
  ): Promise<void> {
    try {
      await sendResponse(response, { incoming, outgoing });
    } catch (error) {
      this.#log.error("http_failed", { method: incoming.method, error: errorText(error) });
      outgoing.destroy();
    }
  }

  /** Handles bytes that are not HTTP, or a broken connection. */
  #fail({ code }: Failure, socket: unknown): void {
    if (!(socket instanceof ClientStream)) return;
    if (code === "HPE_PAUSED_H2_UPGRADE") return socket.refuse("http2");
    if (!code?.startsWith("HPE_") || !socket.writable) return void socket.destroy();
    const status = code === "HPE_HEADER_OVERFLOW"
      ? `${HEAD_TOO_LONG} Request Header Fields Too Large`
      : `${BAD_REQUEST} Bad Request`;
    socket.write(`HTTP/1.1 ${status}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n`);
    socket.destroySoon();
  }
}

/** Span attributes of a request, without tokens and viewer ids (OpenTelemetry's names for HTTP servers). */
function spanOf({ method, url }: Request): { name: string; attributes: SpanAttributes } {
  const path = shownPath(new URL(url).pathname);
  return { name: method, attributes: { "http.request.method": method, "url.path": path } };
}

const NO_UPGRADE: ClientConnection = {
  upgrade() {
    throw new TypeError("The request is no WebSocket handshake: it has no Connection: Upgrade");
  },
};

/** An upgrade to anything else, such as `h2c`, is ignored (RFC 9110 §7.8). */
function asksForWebSocket({ headers }: IncomingMessage): boolean {
  return headers.upgrade?.toLowerCase() === "websocket";
}

/** The rest of an unread body would precede the next request on the connection. */
function dropBody(incoming: IncomingMessage): void {
  incoming.removeAllListeners("data");
  incoming.resume();
}

function streamOf({ socket }: IncomingMessage): ClientStream {
  const stream: unknown = socket;
  if (stream instanceof ClientStream) return stream;
  throw new TypeError("The request came by another connection");
}
