import { TokenBucket } from "../../base/token_bucket.ts";
import { BridgeViolation } from "./bridge_error.ts";
import { RING_COST_BYTES, RINGS } from "./limits.ts";

/**
 * Limits the ring requests of one bridge: a request has only 16 bytes, but costs memory and CPU time. Large rings
 * count as several. Pure: times are arguments.
 */
export class RingRate {
  readonly #bucket = new TokenBucket(RINGS);

  /**
   * Charges a ring of so many bytes.
   * @throws {BridgeViolation} When the limit is exceeded.
   */
  take(bytes: number, nowMs: number): void {
    if (this.#bucket.take(nowMs, 1 + bytes / RING_COST_BYTES)) return;
    throw new BridgeViolation(
      `it requests rings too fast: more than ${RINGS.burst} at once and ${RINGS.perSecond} ` +
        `a second, where each ${RING_COST_BYTES} bytes count as one more`,
    );
  }
}
