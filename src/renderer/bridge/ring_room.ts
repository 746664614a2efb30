import { SLOT_BYTES_STEP } from "./limits.ts";
import type { RingLayout } from "./ring.ts";

/** What a ring is planned by. */
export interface RingWish {
  /** Bytes of a slot, a multiple of {@link SLOT_BYTES_STEP}. */
  readonly slotBytes: number;
  /** Slots that the writer asks for. */
  readonly slotCount: number;
  /** Sessions that are open. */
  readonly sessions: number;
  /** Bytes that the folder has for a ring, with those of the ring before; infinite where it has no limit. */
  readonly memoryBytes: number;
  /** The ring that the writer has now. */
  readonly former: RingLayout | undefined;
}

/** What becomes of a writer's wish for a ring. */
export interface RingPlan {
  /** `grant`: a ring is made; `keep`: the former one stays; `none`: there is no memory for a single slot. */
  readonly kind: "grant" | "keep" | "none";
  /** Slots of the ring. */
  readonly slotCount: number;
  /** Sessions that have room in it; those beyond are refused. */
  readonly sessions: number;
}

/**
 * Slots without which a session would go without pictures: two for each, of which one is shown and one waits or is
 * written. A session that is alone can do with one.
 */
export function slotsNeeded(sessions: number): number {
  return sessions <= 1 ? 1 : 2 * sessions;
}

/** Slots that memory holds, beside the ring's header. */
export function slotsThatFit(
  { slotBytes, memoryBytes }: { slotBytes: number; memoryBytes: number },
): number {
  return Math.max(0, Math.floor((memoryBytes - SLOT_BYTES_STEP) / slotBytes));
}

/** Decides which ring a writer gets. Sessions that have pictures go before those that would be new. */
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
  // Larger slots are for the pictures of one session: the others have what they need.
  if (former !== undefined && slotBytes > former.slotBytes) {
    return { kind: "keep", slotCount: former.slotCount, sessions };
  }
  const roomy = Math.max(1, Math.floor(granted / 2));
  return { kind: isLarger ? "grant" : "keep", slotCount: granted, sessions: roomy };
}
