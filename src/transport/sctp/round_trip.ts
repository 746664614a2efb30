import { RTO_INITIAL_MS, RTO_MAX_MS, RTO_MIN_MS } from "./limits.ts";

/** Retransmission timeout, from the measured round trips (RFC 9260 §6.3.1). */
export class RoundTrip {
  #smoothedMs: number | undefined;
  #variationMs = 0;
  #timeoutMs = RTO_INITIAL_MS;

  /** Timeout in milliseconds. */
  get timeoutMs(): number {
    return this.#timeoutMs;
  }

  /** Adds the round trip of a fragment that was sent only once (Karn's algorithm). */
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
   * New data was acknowledged, so the path works again: undoes the backoff. RFC 9260 waits for the next measurable
   * round trip, which can take long after a timeout, when everything is sent for the second time.
   */
  recover(): void {
    if (this.#smoothedMs === undefined) return;
    const timeoutMs = this.#smoothedMs + 4 * this.#variationMs;
    this.#timeoutMs = Math.min(RTO_MAX_MS, Math.max(RTO_MIN_MS, timeoutMs));
  }

  /** The timer expired: doubles the timeout (RFC 9260 §6.3.3). */
  backOff(): void {
    this.#timeoutMs = Math.min(RTO_MAX_MS, 2 * this.#timeoutMs);
  }
}
