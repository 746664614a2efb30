import type { OutgoingPiece } from "./format.ts";

/** A message to send. */
export interface OutgoingMessage {
  readonly stream: number;
  readonly ppid: number;
  /** At least one byte; not modified, and kept until it is acknowledged. */
  readonly data: Uint8Array;
  readonly unordered: boolean;
  /** Abandoned after so many retransmissions of a fragment; undefined: never. */
  readonly retransmissionsMax?: number | undefined;
  /** Abandoned after this time; undefined: never. */
  readonly expiresAtMs?: number | undefined;
}

/** A message in the queue or in flight. */
export interface QueuedMessage extends OutgoingMessage {
  /** Bytes already sent. */
  offset: number;
  /** Assigned when the first fragment is sent. */
  ssn: number;
  abandoned: boolean;
}

/** Messages waiting to be fragmented and sent, oldest first (RFC 9260 §6.9). */
export class MessageQueue {
  #messages: QueuedMessage[] = [];
  #bytes = 0;
  /** Number of queued messages per stream, looked up for each packet. */
  readonly #perStream = new Map<number, number>();
  readonly #nextSsn = new Map<number, number>();

  /** Number of messages that are not completely sent. */
  get size(): number {
    return this.#messages.length;
  }

  /** Bytes not yet sent. */
  get bytes(): number {
    return this.#bytes;
  }

  /** The message of the next fragment. */
  get first(): QueuedMessage | undefined {
    return this.#messages[0];
  }

  /** Appends a message. */
  add(message: OutgoingMessage): void {
    this.#messages.push({ ...message, offset: 0, ssn: 0, abandoned: false });
    this.#bytes += message.data.length;
    this.#count(message.stream, 1);
  }

  /** Takes the next fragment of the first message. */
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

  /** Drops the rest of a message. */
  remove(message: QueuedMessage): void {
    const at = this.#messages.indexOf(message);
    if (at < 0) return;
    this.#messages.splice(at, 1);
    this.#count(message.stream, -1);
    this.#bytes -= message.data.length - message.offset;
  }

  /** Whether a stream has queued messages. */
  hasStream(stream: number): boolean {
    return this.#perStream.has(stream);
  }

  /** Restarts a stream at SSN 0 (RFC 6525 §5.2.7). */
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
