import type { ServerMessage } from "./server_messages.ts";

/** Sends to a writer. */
export interface WriterPort {
  send(message: ServerMessage): void;
  /** Sends a message that may be lost. @returns Whether it was sent. */
  trySend(message: ServerMessage): boolean;
  /** Offset from the writer's clock to this process's clock, in microseconds. */
  readonly clockOffsetUs: number;
}
