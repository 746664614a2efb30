/** Minimum and maximum interval credited to a picture, relative to the usual frame interval. */
const INTERVAL_SHARE_MIN = 0.25;
const INTERVALS_MAX = 4;

/**
 * Changes the rate of an encoder whose rate is fixed once it is open. The encoder budgets bits by the time since the
 * previous picture, so timestamps that run at half speed halve the rate. Pure.
 */
export class RateClock {
  readonly #intervalUs: number;
  readonly #nominalKbps: number;
  /** Timestamp of the previous picture: real, and as passed to the encoder. */
  #lastUs: number | undefined;
  #toldUs = 0;

  /**
   * @param options.fps Usual pictures per second.
   * @param options.nominalKbps The rate with which the encoder was opened.
   */
  constructor({ fps, nominalKbps }: { fps: number; nominalKbps: number }) {
    this.#intervalUs = 1_000_000 / fps;
    this.#nominalKbps = nominalKbps;
  }

  /**
   * The timestamp to pass to the encoder for the next picture, in microseconds, so that it uses `kbps`.
   * @param timestampUs The picture's real timestamp. A picture after a long pause gets no extra bits, and
   *     pictures in quick succession still get some.
   */
  tell(timestampUs: number, kbps: number): number {
    const sinceUs = timestampUs - (this.#lastUs ?? timestampUs - this.#intervalUs);
    const worthUs = Math.min(
      this.#intervalUs * INTERVALS_MAX,
      Math.max(this.#intervalUs * INTERVAL_SHARE_MIN, sinceUs),
    );
    this.#lastUs = timestampUs;
    // At least one microsecond: encoders refuse equal timestamps.
    this.#toldUs += Math.max(1, Math.round(worthUs * kbps / this.#nominalKbps));
    return this.#toldUs;
  }
}

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
