import { CONGESTION_WINDOW_MAX, PACKET_BYTES_MAX, WINDOW_PACKETS_INITIAL } from "./limits.ts";

/** How many bytes may be on their way (RFC 9260 §7.2). */
export class CongestionWindow {
  #bytes = WINDOW_PACKETS_INITIAL * PACKET_BYTES_MAX;
  #slowStartThreshold = CONGESTION_WINDOW_MAX;
  #partialBytes = 0;

  /** The window. */
  get bytes(): number {
    return this.#bytes;
  }

  /**
   * The cumulative TSN went on.
   * @param flightBytes What was on its way before: a window that is not used up does not grow.
   */
  acked({ bytes, flightBytes }: { bytes: number; flightBytes: number }): void {
    // A packet less than the window is all that chunks of any size can fill.
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

  /** Something got lost, and what came after it did not. */
  lost(): void {
    this.#halve();
    this.#bytes = this.#slowStartThreshold;
  }

  /** Nothing comes back any more. */
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
