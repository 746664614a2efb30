import type { OutgoingPiece } from "./format.ts";

/** A message to be sent. */
export interface OutgoingMessage {
  readonly stream: number;
  readonly ppid: number;
  /** At least one byte; only read, and kept until it is acknowledged. */
  readonly data: Uint8Array;
  readonly unordered: boolean;
  /** Given up after so many retransmissions of a piece; undefined: never. */
  readonly retransmissionsMax?: number | undefined;
  /** Given up after that; undefined: never. */
  readonly expiresAtMs?: number | undefined;
}

/** A message in the queue, or of which pieces are on their way. */
export interface QueuedMessage extends OutgoingMessage {
  /** Bytes that have left. */
  offset: number;
  /** Given when the first piece leaves. */
  ssn: number;
  abandoned: boolean;
}

/** Messages that wait to be cut into pieces, oldest first (RFC 9260 §6.9). */
export class MessageQueue {
  #messages: QueuedMessage[] = [];
  #bytes = 0;
  /** Messages that wait, by stream: asked for with each packet. */
  readonly #perStream = new Map<number, number>();
  readonly #nextSsn = new Map<number, number>();

  /** Messages of which something waits. */
  get size(): number {
    return this.#messages.length;
  }

  /** Bytes that wait. */
  get bytes(): number {
    return this.#bytes;
  }

  /** The message whose piece is next. */
  get first(): QueuedMessage | undefined {
    return this.#messages[0];
  }

  /** Appends a message. */
  add(message: OutgoingMessage): void {
    this.#messages.push({ ...message, offset: 0, ssn: 0, abandoned: false });
    this.#bytes += message.data.length;
    this.#count(message.stream, 1);
  }

  /** Cuts the next piece off the first message. */
  cut(message: QueuedMessage, { bytes, tsn }: { bytes: number; tsn: number }): OutgoingPiece {
    const { stream, ppid, unordered, data, offset } = message;
    if (offset === 0 && !unordered) {
      message.ssn = this.#nextSsn.get(stream) ?? 0;
      this.#nextSsn.set(stream, (message.ssn + 1) & 0xffff);
    }
    message.offset += bytes;
    this.#bytes -= bytes;
    const ends = message.offset === data.length;
    if (ends) {
      this.#messages.shift();
      this.#count(stream, -1);
    }
    const payload = data.subarray(offset, message.offset);
    return { tsn, stream, ssn: message.ssn, ppid, unordered, begins: offset === 0, ends, payload };
  }

  /** Drops what is left of a message. */
  remove(message: QueuedMessage): void {
    const at = this.#messages.indexOf(message);
    if (at < 0) return;
    this.#messages.splice(at, 1);
    this.#count(message.stream, -1);
    this.#bytes -= message.data.length - message.offset;
  }

  /** Whether something waits for a stream. */
  hasStream(stream: number): boolean {
    return this.#perStream.has(stream);
  }

  /** A stream begins with SSN 0 again (RFC 6525 §5.2.7). */
  resetStream(stream: number): void {
    this.#nextSsn.delete(stream);
  }

  /** Drops everything. */
  clear(): void {
    this.#messages = [];
    this.#bytes = 0;
    this.#perStream.clear();
  }

  #count(stream: number, change: 1 | -1): void {
    const count = (this.#perStream.get(stream) ?? 0) + change;
    if (count > 0) this.#perStream.set(stream, count);
    else this.#perStream.delete(stream);
  }
}
