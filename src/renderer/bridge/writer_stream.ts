import type { Clock } from "../../base/clock.ts";
import { errorText } from "../../base/errors.ts";
import { TokenBucket } from "../../base/token_bucket.ts";
import { BridgeViolation } from "./bridge_error.ts";
import { BACKLOG_BYTES_MAX, BYTES, MESSAGES, VIEWER_BACKLOG_BYTES_MAX } from "./limits.ts";
import { formatServerMessage, type ServerMessage } from "./server_messages.ts";
import type { UnixConnection } from "./unix_socket.ts";
import { WireReader } from "./wire.ts";
import { parseWriterMessage, type WriterMessage } from "./writer_messages.ts";

/** Bytes that are read at once. */
const READ_BYTES = 64 * 1024;

/** What a connection is watched by. */
export interface WriterStreamOptions {
  readonly connection: UnixConnection;
  readonly clock: Clock;
  /** @throws {BridgeViolation} What the message says cannot be. */
  readonly onMessage: (message: WriterMessage) => void;
  /** The connection is over. `violation` says what the writer did, where that is why. Called once. */
  readonly onOver: (violation: string | undefined) => void;
}

/**
 * One connection of a writer, whoever that is: messages in, held to their layouts and to a rate; messages out, kept in
 * order without ever waiting.
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

  /** Reads from now on. */
  constructor(options: WriterStreamOptions) {
    this.#options = options;
    this.#rate = new WriterRate(options.clock);
    this.#reading = this.#read();
  }

  /** Process id of the writer. */
  get pid(): number {
    return this.#options.connection.peerPid;
  }

  /** Sends a message. A writer that lets too many of them wait is disconnected. */
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

  /** Disconnects a writer that did what it must not. */
  violate(why: string): void {
    this.#violation ??= why;
    this.send({ type: "bye", code: "violation", text: why });
    void this.close();
  }

  /** Settles when nothing of the connection is left; `onOver` has been called by then. Idempotent. */
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
      // Whatever it is: what a writer sends must not end this process.
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

  /** Goes on by calls that wait for the other side to make room. */
  async #sendLater(): Promise<void> {
    const { connection } = this.#options;
    for (let first = this.#queue[0]; first !== undefined; first = this.#queue[0]) {
      const count = await connection.write(first);
      if (count === 0) {
        // The connection is over, which reading tells.
        this.#queue = [];
        this.#queuedBytes = 0;
        break;
      }
      this.#advance(count);
    }
    this.#sending = undefined;
  }

  /** Takes bytes that were sent out of the queue. @returns Whether the first message is gone whole. */
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

/** What a writer sends, held to {@link MESSAGES} and {@link BYTES}. */
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
