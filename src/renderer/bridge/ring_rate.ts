import { TokenBucket } from "../../base/token_bucket.ts";
import { BridgeViolation } from "./bridge_error.ts";
import { RING_COST_BYTES, RINGS } from "./limits.ts";

/**
 * Bounds the rings of one bridge: a request has 16 bytes, and its answer takes memory and the server's time. Large ones
 * count for several. Pure: times are arguments.
 */
export class RingRate {
  readonly #bucket = new TokenBucket(RINGS);

  /**
   * Takes a ring of so many bytes.
   * @throws {BridgeViolation} When too many were taken.
   */
  take(bytes: number, nowMs: number): void {
    if (this.#bucket.take(nowMs, 1 + bytes / RING_COST_BYTES)) return;
    throw new BridgeViolation(
      `it requests rings too fast: more than ${RINGS.burst} at once and ${RINGS.perSecond} ` +
        `a second, where each ${RING_COST_BYTES} bytes count as one more`,
    );
  }
}
