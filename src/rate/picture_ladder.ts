/** Parts of the width and height that a picture may be encoded at, largest first. */
const SCALES = [1, 2 / 3, 1 / 2, 1 / 3] as const;

/** No side of a picture is made shorter than this: hardware encoders refuse, and nothing can be told apart any more. */
const SIDE_PX_MIN = 160;

/** Bits for each pixel of each picture: with fewer, a moving picture with some texture looks better smaller. */
const BITS_PER_PIXEL_MIN = 0.025;
/** A larger picture has to have so many: enough above the least that the rate can wander without another change. */
const BITS_PER_PIXEL_ENOUGH = 0.03;

/** Quantizers beyond two thirds of their scale show; a picture that is easy to compress never comes there. */
const COARSE = 2 / 3;
/** Pictures over which the quantizer is averaged, about. */
const COARSENESS_PICTURES = 12;

/** How long it must have been too little, or enough for more, before the size changes. */
const LOW_US = 1_000_000;
const ENOUGH_US = 5_000_000;

/** What a picture is about to be compressed with. */
export interface LadderMoment {
  /** The picture's time, which never goes back. */
  readonly nowUs: number;
  /** The target rate. */
  readonly kbps: number;
}

/**
 * Says at which size pictures are encoded: whole, or at a part that the receiver scales up again when bits are too few
 * for all pixels and that shows. Down after a second, since what is too large queues up; up only after five, since each
 * change costs a keyframe. Pure: times are arguments.
 */
export class PictureLadder {
  readonly #pixelsPerSecond: number;
  readonly #scales: readonly number[];
  #scale = 1;
  #coarseness = 0;
  #lowSinceUs: number | undefined;
  #enoughSinceUs: number | undefined;

  /** @param picture Of the whole size: pixels, and pictures per second. It stays as it is unless that is adaptive. */
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
   * Takes note of a picture that was compressed.
   * @param coarseness Its quantizer, as a part of the codec's coarsest.
   */
  note(coarseness: number): void {
    this.#coarseness += (coarseness - this.#coarseness) / COARSENESS_PICTURES;
  }

  /** The part of the width and height to encode the next picture at: 1, or less. */
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

  /** The largest part whose pixels get so many bits each, or else the smallest of all. */
  #largest(kbps: number, bitsPerPixel: number): number {
    const affordable = kbps * 1000 / (bitsPerPixel * this.#pixelsPerSecond);
    return this.#scales.find((scale) => scale ** 2 <= affordable) ?? this.#scales.at(-1) ?? 1;
  }
}
