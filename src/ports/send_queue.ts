import { TCP_QUEUE_BYTES_MAX, TCP_QUEUE_MS_MAX, TCP_WRITE_BYTES_MAX } from "./limits.ts";
import { framedBytes } from "./rfc4571.ts";

interface Waiting {
  readonly packet: Uint8Array;
  readonly sinceMs: number;
}

/**
 * Packets that wait for one TCP connection. It owns no socket and no clock: `nowMs` is an argument.
 *
 * What is sent over TCP arrives, however late, so a queue that is allowed to grow is delay that never ends. When the
 * oldest packet has waited too long, or too much waits, all of it is dropped and the latest goes on: whole pictures
 * and then none until the next keyframe, instead of every picture with a hole.
 */
export class SendQueue {
  #waiting: Waiting[] = [];
  #bytes = 0;

  /** Packets that wait. */
  get length(): number {
    return this.#waiting.length;
  }

  /**
   * Appends a packet, which must not be changed from now on.
   * @returns How many packets were dropped.
   */
  push(packet: Uint8Array, nowMs: number): number {
    const bytes = framedBytes(packet);
    const [oldest] = this.#waiting;
    const isLate = oldest !== undefined && nowMs - oldest.sinceMs >= TCP_QUEUE_MS_MAX;
    const dropped = isLate || this.#bytes + bytes > TCP_QUEUE_BYTES_MAX ? this.clear() : 0;
    this.#waiting.push({ packet, sinceMs: nowMs });
    this.#bytes += bytes;
    return dropped;
  }

  /** Takes what leaves in one write, oldest first; empty when nothing waits. */
  take(): Uint8Array[] {
    let bytes = 0;
    let count = 0;
    for (const { packet } of this.#waiting) {
      if (count > 0 && bytes + framedBytes(packet) > TCP_WRITE_BYTES_MAX) break;
      bytes += framedBytes(packet);
      count++;
    }
    this.#bytes -= bytes;
    return this.#waiting.splice(0, count).map(({ packet }) => packet);
  }

  /** Drops everything. @returns How many packets that were. */
  clear(): number {
    const dropped = this.#waiting.length;
    this.#waiting = [];
    this.#bytes = 0;
    return dropped;
  }
}
