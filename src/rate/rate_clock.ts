/** A picture is worth no less and no more than this, in parts and multiples of its usual time on the screen. */
const INTERVAL_SHARE_MIN = 0.25;
const INTERVALS_MAX = 4;

/**
 * Changes the rate of an encoder that takes none once it is open: it gives a picture bits by the time since the one
 * before, so a clock that goes twice as fast halves the rate. Pure.
 */
export class RateClock {
  readonly #intervalUs: number;
  readonly #nominalKbps: number;
  /** The time of the picture before, true and told. */
  #lastUs: number | undefined;
  #toldUs = 0;

  /**
   * @param options.fps Usual pictures per second.
   * @param options.nominalKbps The rate that the encoder was opened for.
   */
  constructor({ fps, nominalKbps }: { fps: number; nominalKbps: number }) {
    this.#intervalUs = 1_000_000 / fps;
    this.#nominalKbps = nominalKbps;
  }

  /**
   * The time to tell the encoder for the next picture, in microseconds, so that it spends `kbps`.
   * @param timestampUs The picture's true time. What follows a still gets no more bits for having been long awaited, and
   *     pictures that come in a bunch get some all the same.
   */
  tell(timestampUs: number, kbps: number): number {
    const sinceUs = timestampUs - (this.#lastUs ?? timestampUs - this.#intervalUs);
    const worthUs = Math.min(
      this.#intervalUs * INTERVALS_MAX,
      Math.max(this.#intervalUs * INTERVAL_SHARE_MIN, sinceUs),
    );
    this.#lastUs = timestampUs;
    // A whole microsecond at least: encoders refuse a time twice.
    this.#toldUs += Math.max(1, Math.round(worthUs * kbps / this.#nominalKbps));
    return this.#toldUs;
  }
}
