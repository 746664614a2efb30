import { IDLE_GAP_INTERVALS_MIN, IDLE_GAP_US_MIN, IDLE_STEP_BACK_US_MIN } from "./limits.ts";

/** Duration of a picture if the file has no frame rate. */
const DURATION_US = 40_000;

/** Timing of a stream, in microseconds. */
export interface StreamTimes {
  /** Average frame interval; `undefined` if unknown. */
  readonly intervalUs?: number | undefined;
  /** End of the stream on its own clock; `undefined` if unknown. */
  readonly endUs?: number | undefined;
}

/** Timing of one picture, in microseconds. */
export interface PictureTimestamps {
  /** Presentation time on the stream's own clock, which may start anywhere; `undefined` if unknown. */
  readonly stampUs: number | undefined;
  /** Duration; 0 if unknown. */
  readonly durationUs: number;
}

/** Start and end of a picture, in microseconds from the first one. */
export interface PictureInterval {
  readonly startUs: number;
  readonly endUs: number;
}

/**
 * Converts a stream's timestamps into strictly increasing times from its first picture. It repairs timestamps that are
 * missing or slightly out of order, and removes jumps, as in recordings whose clock was set or that were joined.
 */
export class PictureTimes {
  readonly #stream: StreamTimes;
  readonly #onJump: (jumpUs: number) => void;
  /** Offset from the stream's clock to the time from the first picture. */
  #shiftUs: number | undefined;
  /** The last interval between two pictures without a jump. */
  #intervalUs: number | undefined;
  #last = { startUs: -1, endUs: 0 };
  /** Number of pictures so far. */
  count = 0;

  /** @param onJump Called with the length of each removed jump. */
  constructor(stream: StreamTimes, onJump: (jumpUs: number) => void) {
    this.#stream = stream;
    this.#onJump = onJump;
  }

  /** Interval of the next picture in display order. */
  next({ stampUs, durationUs }: PictureTimestamps): PictureInterval {
    if (stampUs !== undefined) this.#shiftUs ??= -stampUs;
    const saidUs = (stampUs ?? NaN) + (this.#shiftUs ?? 0);
    const startUs = this.#startOf(saidUs);
    if (this.count > 0) this.#intervalUs = startUs - this.#last.startUs;
    const lastsUs = durationUs > 0 && !this.#isGap(durationUs) ? durationUs : this.#usualUs;
    const endUs = startUs + lastsUs;
    // Formats with timestamps in decoding order may give the duration of the last picture only through the end of the
    // stream.
    const streamEndUs = (this.#stream.endUs ?? Infinity) + (this.#shiftUs ?? 0);
    this.#last = { startUs, endUs: streamEndUs > startUs ? Math.min(endUs, streamEndUs) : endUs };
    this.count += 1;
    return this.#last;
  }

  #startOf(saidUs: number): number {
    const { startUs, endUs } = this.#last;
    const stepUs = saidUs - startUs;
    if (this.count === 0 || Number.isNaN(stepUs)) return this.count === 0 ? 0 : endUs;
    if (this.#isGap(stepUs) || stepUs < -IDLE_STEP_BACK_US_MIN) {
      this.#onJump(saidUs - endUs);
      this.#shiftUs = (this.#shiftUs ?? 0) + endUs - saidUs;
      return endUs;
    }
    return stepUs > 0 ? saidUs : endUs;
  }

  /** Whether such a duration means a jump. */
  #isGap(us: number): boolean {
    return us > IDLE_GAP_US_MIN && us > IDLE_GAP_INTERVALS_MIN * this.#usualUs;
  }

  /** The smaller of both, because a jump makes the average too long, and a pause the last interval. */
  get #usualUs(): number {
    const { intervalUs = DURATION_US } = this.#stream;
    return Math.min(intervalUs, this.#intervalUs ?? Infinity);
  }
}
