import type { Clock } from "../../base/clock.ts";
import { errorText } from "../../base/errors.ts";
import { TokenBucket } from "../../base/token_bucket.ts";
import { BridgeViolation } from "./bridge_error.ts";
import {
  BACKLOG_BYTES_MAX,
  BYTES,
  MESSAGES,
  READ_BYTES,
  VIEWER_BACKLOG_BYTES_MAX,
} from "./limits.ts";
import { formatServerMessage, type ServerMessage } from "./server_messages.ts";
import type { UnixConnection } from "./unix_socket.ts";
import { WireReader } from "./wire.ts";
import { parseWriterMessage, type WriterMessage } from "./writer_messages.ts";

export interface WriterStreamOptions {
  readonly connection: UnixConnection;
  readonly clock: Clock;
  /** @throws {BridgeViolation} When the message is invalid. */
  readonly onMessage: (message: WriterMessage) => void;
  /** The connection has ended. `violation` describes what the writer did, if that is the reason. Called once. */
  readonly onOver: (violation: string | undefined) => void;
}

/**
 * One connection of any writer: parses incoming messages and limits their rate; sends messages in order without
 * blocking the caller.
 */
export class WriterStream {
  readonly #options: WriterStreamOptions;
  readonly #rate: WriterRate;
  #queue: Uint8Array<ArrayBuffer>[] = [];
  #queuedBytes = 0;
  #sending: Promise<void> | undefined;
  #violation: string | undefined;
  #closed: Promise<void> | undefined;
  readonly #reading: Promise<void>;

  /** Starts reading. */
  constructor(options: WriterStreamOptions) {
    this.#options = options;
    this.#rate = new WriterRate(options.clock);
    this.#reading = this.#read();
  }

  /** Process id of the writer. */
  get pid(): number {
    return this.#options.connection.peerPid;
  }

  /** Sends a message. Disconnects the writer if too much is queued for it. */
  send(message: ServerMessage): void {
    if (this.#closed !== undefined) return;
    this.#queue.push(formatServerMessage(message));
    this.#queuedBytes += this.#queue.at(-1)?.byteLength ?? 0;
    this.#sendNow();
    if (this.#queuedBytes > BACKLOG_BYTES_MAX) {
      this.violate(`it does not read: ${this.#queuedBytes} bytes are queued for it`);
    }
  }

  /** Sends a message that may be lost. @returns Whether it was sent. */
  trySend(message: ServerMessage): boolean {
    if (this.#closed !== undefined || this.#queuedBytes > VIEWER_BACKLOG_BYTES_MAX) return false;
    this.send(message);
    return true;
  }

  /** Disconnects a writer that violated the contract. */
  violate(why: string): void {
    this.#violation ??= why;
    this.send({ type: "bye", code: "violation", text: why });
    void this.close();
  }

  /** Closes the connection; settles after `onOver` was called and everything is closed. Idempotent. */
  close(): Promise<void> {
    this.#closed ??= this.#options.connection.close().then(() => this.#reading);
    return this.#closed;
  }

  async #read(): Promise<void> {
    const { connection, onMessage, onOver } = this.#options;
    const reader = new WireReader();
    const buffer = new Uint8Array(READ_BYTES);
    try {
      for (;;) {
        const count = await connection.read(buffer);
        if (count === 0) break;
        this.#rate.bytes(count);
        for (const message of reader.push(buffer.subarray(0, count))) {
          this.#rate.message();
          if (this.#closed === undefined) onMessage(parseWriterMessage(message));
        }
      }
    } catch (error) {
      // No input of a writer may end this process.
      this.violate(errorText(error));
    } finally {
      this.#closed ??= connection.close();
      await connection.close();
      onOver(this.#violation);
    }
  }

  #sendNow(): void {
    const { connection } = this.#options;
    while (this.#sending === undefined && this.#queue.length > 0) {
      if (!this.#advance(connection.writeNow(this.#queue[0] as Uint8Array<ArrayBuffer>))) {
        this.#sending = this.#sendLater();
      }
    }
  }

  /** Continues with blocking writes, until the peer has room. */
  async #sendLater(): Promise<void> {
    const { connection } = this.#options;
    for (let first = this.#queue[0]; first !== undefined; first = this.#queue[0]) {
      const count = await connection.write(first);
      if (count === 0) {
        // The connection has ended, which the read reports.
        this.#queue = [];
        this.#queuedBytes = 0;
        break;
      }
      this.#advance(count);
    }
    this.#sending = undefined;
  }

  /** Removes sent bytes from the queue. @returns Whether the first message was sent completely. */
  #advance(count: number): boolean {
    const first = this.#queue[0];
    if (first === undefined) return false;
    this.#queuedBytes -= count;
    const whole = count === first.byteLength;
    if (whole) this.#queue.shift();
    else this.#queue[0] = first.subarray(count);
    return whole;
  }
}

/** Limits what a writer sends to {@link MESSAGES} and {@link BYTES}. */
class WriterRate {
  readonly #clock: Clock;
  readonly #messages = new TokenBucket(MESSAGES);
  readonly #bytes = new TokenBucket(BYTES);

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** @throws {BridgeViolation} */
  bytes(count: number): void {
    if (this.#bytes.take(this.#clock.now(), count)) return;
    throw new BridgeViolation(`it sends more than ${BYTES.perSecond} bytes a second`);
  }

  /** @throws {BridgeViolation} */
  message(): void {
    if (this.#messages.take(this.#clock.now())) return;
    throw new BridgeViolation(`it sends more than ${MESSAGES.perSecond} messages a second`);
  }
}
