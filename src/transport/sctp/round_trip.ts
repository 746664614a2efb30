import { RTO_INITIAL_MS, RTO_MAX_MS, RTO_MIN_MS } from "./limits.ts";

/** The time-out of a retransmission, by the round trips so far (RFC 9260 §6.3.1). */
export class RoundTrip {
  #smoothedMs: number | undefined;
  #variationMs = 0;
  #timeoutMs = RTO_INITIAL_MS;

  /** Time-out in milliseconds. */
  get timeoutMs(): number {
    return this.#timeoutMs;
  }

  /** Takes the round trip of something that was sent once (Karn's algorithm). */
  measure(ms: number): void {
    const sampleMs = Math.max(0, ms);
    if (this.#smoothedMs === undefined) {
      this.#smoothedMs = sampleMs;
      this.#variationMs = sampleMs / 2;
    } else {
      this.#variationMs += (Math.abs(this.#smoothedMs - sampleMs) - this.#variationMs) / 4;
      this.#smoothedMs += (sampleMs - this.#smoothedMs) / 8;
    }
    this.recover();
  }

  /**
   * Something new was acknowledged, so the path carries again: what was backed off is as before. RFC 9260 waits for the
   * next round trip that can be measured, which after a time-out, when all is sent for the second time, can be long.
   */
  recover(): void {
    if (this.#smoothedMs === undefined) return;
    const timeoutMs = this.#smoothedMs + 4 * this.#variationMs;
    this.#timeoutMs = Math.min(RTO_MAX_MS, Math.max(RTO_MIN_MS, timeoutMs));
  }

  /** It ran out: the next one is twice as long (RFC 9260 §6.3.3). */
  backOff(): void {
    this.#timeoutMs = Math.min(RTO_MAX_MS, 2 * this.#timeoutMs);
  }
}
