/**
 * The parts of npm:ws that are used here. The package of its types includes those of Node, which would change Deno's
 * for the whole program.
 */
import type { Buffer } from "node:buffer";
import type { IncomingMessage } from "node:http";
import type { Duplex } from "node:stream";

export interface WebSocket {
  /** Bytes that are buffered for sending. */
  readonly bufferedAmount: number;
  /** @param done Receives an error, which is thrown otherwise. */
  send(text: string, done: (error?: Error) => void): void;
  ping(): void;
  /** Sends a close frame, and closes the connection after at most 30 s. */
  close(code: number, reason: string): void;
  /** Closes the connection at once. */
  terminate(): void;
  on(event: "message", told: (data: Buffer, isBinary: boolean) => void): void;
  on(event: "ping" | "pong", told: (payload: Buffer) => void): void;
  on(event: "error", told: (error: Error) => void): void;
  on(event: "close", told: (code: number) => void): void;
}

export class WebSocketServer {
  constructor(options: {
    readonly noServer: true;
    readonly clientTracking: false;
    readonly maxPayload: number;
    /** Fragments of one message, empty ones included. */
    readonly maxFragments: number;
    /** Chunks that are buffered until a frame is complete. */
    readonly maxBufferedChunks: number;
    readonly perMessageDeflate: false;
    readonly handleProtocols: (offered: ReadonlySet<string>) => string | false;
  });
  on(event: "wsClientError", told: (error: Error) => void): void;
  handleUpgrade(
    request: IncomingMessage,
    stream: Duplex,
    head: Buffer,
    opened: (socket: WebSocket) => void,
  ): void;
}
