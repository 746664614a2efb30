/** Smaller relative decreases and increases are not worth a keyframe. */
const FALL_MIN = 0.15;
const RISE_MIN = 0.25;
/**
 * Minimum time between changes: a keyframe too soon after another would use up what a decrease saves; an increase can
 * wait.
 */
const FALL_INTERVAL_US = 500_000;
const RISE_INTERVAL_US = 3_000_000;

/** Changes the rate in few steps, for an encoder that makes a keyframe at each. Pure: times are arguments. */
export class RateSteps {
  #kbps: number;
  #changedAtUs = Number.NEGATIVE_INFINITY;

  /** @param kbps The rate with which the encoder was opened. */
  constructor(kbps: number) {
    this.#kbps = kbps;
  }

  /** The rate for the next picture. @returns `undefined` if it stays the same. */
  next(kbps: number, nowUs: number): number | undefined {
    const sinceUs = nowUs - this.#changedAtUs;
    const falls = kbps <= this.#kbps * (1 - FALL_MIN) && sinceUs >= FALL_INTERVAL_US;
    const rises = kbps >= this.#kbps * (1 + RISE_MIN) && sinceUs >= RISE_INTERVAL_US;
    if (!falls && !rises) return undefined;
    this.#kbps = kbps;
    this.#changedAtUs = nowUs;
    return kbps;
  }
}
