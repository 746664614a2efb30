/** A fall by less than this part, and a rise by less than this, are not worth a keyframe. */
const FALL_MIN = 0.15;
const RISE_MIN = 0.25;
/** A keyframe so soon after another would take what the fall is to save; a rise has time. */
const FALL_INTERVAL_US = 500_000;
const RISE_INTERVAL_US = 3_000_000;

/** Changes the rate in few steps, for an encoder that makes a keyframe of each. Pure: times are arguments. */
export class RateSteps {
  #kbps: number;
  #changedAtUs = Number.NEGATIVE_INFINITY;

  /** @param kbps The rate that the encoder was opened for. */
  constructor(kbps: number) {
    this.#kbps = kbps;
  }

  /** The rate for the next picture. @returns `undefined` while it stays as it is. */
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
