import { AsyncLocalStorage } from "node:async_hooks";
import type { Buffer } from "node:buffer";
import type { IncomingMessage } from "node:http";
// @ts-types="./ws.d.ts"
import { type WebSocket, WebSocketServer } from "ws";
import type { CancelTimer, Clock } from "../base/clock.ts";
import type { OpenWebSocket, WebSocketUpgrade } from "../signalling/client_connection.ts";
import {
  CLIENT_WINDOW_BYTES,
  CLOSE_LINGER_MS,
  FRAME_PIECES_MAX,
  MESSAGE_FRAGMENTS_MAX,
} from "../signalling/limits.ts";
import type { ClientStream } from "./client_stream.ts";

/** Overhead of a client's ping or pong, in bytes (RFC 6455 §5.2). */
const CONTROL_HEAD_BYTES = 6;

/** Source of a handshake. */
export interface UpgradeRequest {
  readonly stream: ClientStream;
  readonly incoming: IncomingMessage;
  /** Bytes received after the request. */
  readonly head: Buffer;
}

/** Turns requests into WebSockets. */
export class WebSocketUpgrader {
  readonly #clock: Clock;
  readonly #server: WebSocketServer;
  #subprotocol: string | undefined;
  #refusal = "";

  constructor(clock: Clock) {
    this.#clock = clock;
    this.#server = new WebSocketServer({
      noServer: true,
      clientTracking: false,
      // Checked by the head of a frame, before its payload is buffered.
      maxPayload: CLIENT_WINDOW_BYTES,
      // Beyond these it closes with 1008.
      maxFragments: MESSAGE_FRAGMENTS_MAX,
      maxBufferedChunks: FRAME_PIECES_MAX,
      // A small compressed message could expand to a very large one.
      perMessageDeflate: false,
      handleProtocols: () => this.#subprotocol ?? false,
    });
    this.#server.on("wsClientError", ({ message }) => {
      this.#refusal = message;
    });
  }

  /** @throws {TypeError} If the request is not a valid handshake. */
  open({ stream, incoming, head }: UpgradeRequest, options: WebSocketUpgrade): OpenWebSocket {
    this.#subprotocol = options.subprotocol;
    this.#refusal = "";
    // The only version; clients that omit it were accepted before.
    incoming.headers["sec-websocket-version"] ??= "13";
    let socket: WebSocket | undefined;
    // All of this happens before the call returns.
    this.#server.handleUpgrade(incoming, stream, head, (opened) => {
      socket = opened;
    });
    if (socket === undefined) {
      throw new TypeError(this.#refusal || "The client is gone");
    }
    stream.settle();
    return this.#attach({ socket, stream }, options);
  }

  #attach(
    { socket, stream }: { socket: WebSocket; stream: ClientStream },
    { idleS, listener }: WebSocketUpgrade,
  ): OpenWebSocket {
    // Work for a message belongs to the trace of the request that opened the WebSocket.
    const inRequest = AsyncLocalStorage.snapshot();
    const heartbeat = idleS > 0 ? new Heartbeat(socket, { clock: this.#clock, idleS }) : undefined;
    socket.on("message", (data: Buffer, isBinary: boolean) => {
      stream.settle();
      heartbeat?.alive();
      inRequest(() => listener.message(isBinary ? undefined : data.toString()));
    });
    const controlled = (payload: Buffer) => {
      stream.discount(payload.length + CONTROL_HEAD_BYTES);
      heartbeat?.alive();
    };
    socket.on("ping", controlled);
    socket.on("pong", controlled);
    // ws closes with a suitable code, and the close event follows.
    socket.on("error", () => {});
    // ws ends the stream after both close frames, and waits up to 30 s for the client's.
    let cancelLinger: CancelTimer = () => {};
    stream.once("finish", () => {
      cancelLinger = this.#clock.after(CLOSE_LINGER_MS, () => socket.terminate());
    });
    socket.on("close", (code) => {
      cancelLinger();
      heartbeat?.stop();
      stream.finish();
      listener.closed({ code });
    });
    return {
      bufferedBytes: () => socket.bufferedAmount,
      // On a socket that is closing or closed these do nothing.
      send: (text) => socket.send(text, () => {}),
      close(code, reason) {
        socket.close(code, reason);
        stream.rest();
      },
    };
  }
}

/** Pings a silent client, and closes the connection if there is no answer. */
class Heartbeat {
  readonly #socket: WebSocket;
  readonly #clock: Clock;
  readonly #halfMs: number;
  #isQuiet = false;
  #cancel: CancelTimer;

  constructor(socket: WebSocket, { clock, idleS }: { clock: Clock; idleS: number }) {
    this.#socket = socket;
    this.#clock = clock;
    this.#halfMs = idleS * 1000 / 2;
    this.#cancel = clock.after(this.#halfMs, () => this.#beat());
  }

  /** Reports received bytes. */
  alive(): void {
    this.#isQuiet = false;
    this.#cancel();
    this.#cancel = this.#clock.after(this.#halfMs, () => this.#beat());
  }

  stop(): void {
    this.#cancel();
  }

  #beat(): void {
    if (this.#isQuiet) return this.#socket.terminate();
    this.#isQuiet = true;
    this.#socket.ping();
    this.#cancel = this.#clock.after(this.#halfMs, () => this.#beat());
  }
}
