import type { ServerMessage } from "./server_messages.ts";

/** The way to a writer. */
export interface WriterPort {
  send(message: ServerMessage): void;
  /** Sends a message that may be lost. @returns Whether it was sent. */
  trySend(message: ServerMessage): boolean;
  /** What has to be added to the writer's clock to get this process's, in microseconds. */
  readonly clockOffsetUs: number;
}
