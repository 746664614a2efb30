import { RING_COST_BYTES, RINGS, SLOT_BYTES_STEP } from "./limits.ts";
import type { RingLayout } from "./ring.ts";
import { TokenBucket } from "../../base/token_bucket.ts";
import { BridgeViolation } from "./bridge_error.ts";

/** Input of {@link planRing}. */
export interface RingWish {
  /** Bytes of a slot, a multiple of {@link SLOT_BYTES_STEP}. */
  readonly slotBytes: number;
  /** Slots that the writer requests. */
  readonly slotCount: number;
  /** Sessions that are open. */
  readonly sessions: number;
  /** Bytes that the folder has for a ring, including those of the previous ring; infinite if it has no limit. */
  readonly memoryBytes: number;
  /** The writer's current ring. */
  readonly former: RingLayout | undefined;
}

/** Decision on a writer's ring request. */
export interface RingPlan {
  /** `grant`: a ring is created; `keep`: the current one stays; `none`: there is no memory for a single slot. */
  readonly kind: "grant" | "keep" | "none";
  /** Slots of the ring. */
  readonly slotCount: number;
  /** Sessions for which it has slots; further ones are refused. */
  readonly sessions: number;
}

/**
 * Minimum number of slots: two per session, one being shown and one waiting or being written. A single session can
 * work with one.
 */
export function slotsNeeded(sessions: number): number {
  return sessions <= 1 ? 1 : 2 * sessions;
}

/** Slots that fit into memory besides the ring's header. */
export function slotsThatFit(
  { slotBytes, memoryBytes }: { slotBytes: number; memoryBytes: number },
): number {
  return Math.max(0, Math.floor((memoryBytes - SLOT_BYTES_STEP) / slotBytes));
}

/** Decides which ring a writer gets. Sessions with pictures have priority over new ones. */
export function planRing(
  { slotBytes, slotCount, sessions, memoryBytes, former }: RingWish,
): RingPlan {
  const granted = Math.min(slotCount, slotsThatFit({ slotBytes, memoryBytes }));
  const isLarger = former === undefined || slotBytes > former.slotBytes ||
    granted > former.slotCount;
  if (granted === slotCount) return { kind: "grant", slotCount, sessions };
  if (former === undefined && granted === 0) return { kind: "none", slotCount: 0, sessions: 0 };
  if (granted >= Math.min(slotCount, slotsNeeded(sessions))) {
    return { kind: isLarger ? "grant" : "keep", slotCount: granted, sessions };
  }
  // Larger slots are for one session's pictures: the others have what they need.
  if (former !== undefined && slotBytes > former.slotBytes) {
    return { kind: "keep", slotCount: former.slotCount, sessions };
  }
  const roomy = Math.max(1, Math.floor(granted / 2));
  return { kind: isLarger ? "grant" : "keep", slotCount: granted, sessions: roomy };
}

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
