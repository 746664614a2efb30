/**
 * What is used here of npm:ws. The package of its types brings those of Node, which differ from Deno's for the whole
 * program.
 */
import type { Buffer } from "node:buffer";
import type { IncomingMessage } from "node:http";
import type { Duplex } from "node:stream";

export interface WebSocket {
  /** Bytes that were sent and have not left. */
  readonly bufferedAmount: number;
  /** @param done Told of a failure, which is thrown otherwise. */
  send(text: string, done: (error?: Error) => void): void;
  ping(): void;
  /** Sends a close frame, and breaks off 30 s later at the latest. */
  close(code: number, reason: string): void;
  /** Breaks off. */
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
    /** Pieces that are held until a frame is whole. */
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
