/** Losses come in bursts, and one may take a second request: so many keyframes at once are anybody's. */
const BURST = 3;
/**
 * Then one in this time, in milliseconds. A keyframe takes up to a quarter of a second of the rate from all who are sent
 * the same, so that a viewer who always asks costs the others 5 % of it.
 */
const INTERVAL_MS = 5_000;

/** How many keyframes one viewer may cost the others. Pure: times are arguments. */
export class KeyframeAllowance {
  #left = BURST;
  #refilledAtMs = Number.NEGATIVE_INFINITY;

  /** Takes one keyframe off. @returns False when none is left. */
  take(nowMs: number): boolean {
    const refills = Math.floor((nowMs - this.#refilledAtMs) / INTERVAL_MS);
    if (this.#left + refills >= BURST) {
      this.#left = BURST;
      this.#refilledAtMs = nowMs;
    } else {
      this.#left += refills;
      this.#refilledAtMs += refills * INTERVAL_MS;
    }
    if (this.#left === 0) return false;
    this.#left--;
    return true;
  }
}
