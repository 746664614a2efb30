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
