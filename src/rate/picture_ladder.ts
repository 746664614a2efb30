/** Scales of width and height at which a picture may be encoded, largest first. */
const SCALES = [1, 2 / 3, 1 / 2, 1 / 3] as const;

/** Minimum side of a scaled picture: hardware encoders refuse smaller ones, and details are lost. */
const SIDE_PX_MIN = 160;

/** Bits per pixel below which a moving, textured picture looks better at a smaller size. */
const BITS_PER_PIXEL_MIN = 0.025;
/**
 * Bits per pixel needed for a larger size: far enough above the minimum that rate fluctuations cause no further
 * change.
 */
const BITS_PER_PIXEL_ENOUGH = 0.03;

/** Quantizers above two thirds of the scale are visible; a picture that is easy to compress never reaches them. */
const COARSE = 2 / 3;
/** Approximate number of pictures over which the quantizer is averaged. */
const COARSENESS_PICTURES = 12;

/** How long the rate must be too low, or high enough, before the size changes. */
const LOW_US = 1_000_000;
const ENOUGH_US = 5_000_000;

/** Time and rate of the next picture. */
export interface LadderMoment {
  /** The picture's timestamp, never decreasing. */
  readonly nowUs: number;
  /** The target rate. */
  readonly kbps: number;
}

/**
 * Selects the size at which pictures are encoded: full, or smaller when the rate is too low for all pixels and the
 * quality visibly suffers; the receiver scales it up again. Steps down after one second, because too large pictures
 * queue up; steps up only after five, because each change costs a keyframe. Pure: times are arguments.
 */
export class PictureLadder {
  readonly #pixelsPerSecond: number;
  readonly #scales: readonly number[];
  #scale = 1;
  #coarseness = 0;
  #lowSinceUs: number | undefined;
  #enoughSinceUs: number | undefined;

  /** @param picture Full size in pixels, and pictures per second. Without `adaptiveSize` the size never changes. */
  constructor({ width, height, fps, adaptiveSize = true }: {
    width: number;
    height: number;
    fps: number;
    adaptiveSize?: boolean;
  }) {
    this.#pixelsPerSecond = width * height * fps;
    this.#scales = SCALES.filter((scale) =>
      scale === 1 || (adaptiveSize && Math.min(width, height) * scale >= SIDE_PX_MIN)
    );
  }

  /**
   * Records a compressed picture.
   * @param coarseness Its quantizer relative to the codec's coarsest.
   */
  note(coarseness: number): void {
    this.#coarseness += (coarseness - this.#coarseness) / COARSENESS_PICTURES;
  }

  /** The scale of width and height for the next picture: 1 or less. */
  scaleAt({ nowUs, kbps }: LadderMoment): number {
    const lower = this.#largest(kbps, BITS_PER_PIXEL_MIN);
    const isLow = lower < this.#scale && this.#coarseness >= COARSE;
    this.#lowSinceUs = isLow ? this.#lowSinceUs ?? nowUs : undefined;
    if (this.#lowSinceUs !== undefined && nowUs - this.#lowSinceUs >= LOW_US) this.#take(lower);

    const higher = this.#largest(kbps, BITS_PER_PIXEL_ENOUGH);
    const isEnough = higher > this.#scale;
    this.#enoughSinceUs = isEnough ? this.#enoughSinceUs ?? nowUs : undefined;
    if (this.#enoughSinceUs !== undefined && nowUs - this.#enoughSinceUs >= ENOUGH_US) {
      this.#take(higher);
    }
    return this.#scale;
  }

  #take(scale: number): void {
    this.#scale = scale;
    this.#coarseness = 0;
    this.#lowSinceUs = undefined;
    this.#enoughSinceUs = undefined;
  }

  /** The largest scale with so many bits per pixel, or the smallest of all. */
  #largest(kbps: number, bitsPerPixel: number): number {
    const affordable = kbps * 1000 / (bitsPerPixel * this.#pixelsPerSecond);
    return this.#scales.find((scale) => scale ** 2 <= affordable) ?? this.#scales.at(-1) ?? 1;
  }
}
