import { CONGESTION_WINDOW_MAX, PACKET_BYTES_MAX, WINDOW_PACKETS_INITIAL } from "./limits.ts";

/** Congestion window: how many bytes may be in flight (RFC 9260 §7.2). */
export class CongestionWindow {
  #bytes = WINDOW_PACKETS_INITIAL * PACKET_BYTES_MAX;
  #slowStartThreshold = CONGESTION_WINDOW_MAX;
  #partialBytes = 0;

  /** The window. */
  get bytes(): number {
    return this.#bytes;
  }

  /**
   * The cumulative TSN advanced.
   * @param flightBytes Bytes in flight before: a window that is not used up does not grow.
   */
  acked({ bytes, flightBytes }: { bytes: number; flightBytes: number }): void {
    // The window counts as used up if less than a packet of it is free.
    if (flightBytes + PACKET_BYTES_MAX <= this.#bytes) return;
    if (this.#bytes <= this.#slowStartThreshold) {
      this.#grow(Math.min(bytes, PACKET_BYTES_MAX));
      return;
    }
    this.#partialBytes += bytes;
    if (this.#partialBytes < this.#bytes) return;
    this.#partialBytes -= this.#bytes;
    this.#grow(PACKET_BYTES_MAX);
  }

  /** A packet was lost, but later ones arrived. */
  lost(): void {
    this.#halve();
    this.#bytes = this.#slowStartThreshold;
  }

  /** The retransmission timer expired. */
  timedOut(): void {
    this.#halve();
    this.#bytes = PACKET_BYTES_MAX;
  }

  #halve(): void {
    this.#slowStartThreshold = Math.max(this.#bytes / 2, 4 * PACKET_BYTES_MAX);
    this.#partialBytes = 0;
  }

  #grow(bytes: number): void {
    this.#bytes = Math.min(CONGESTION_WINDOW_MAX, this.#bytes + bytes);
  }
}
