import { IDLE_GAP_INTERVALS_MIN, IDLE_GAP_US_MIN, IDLE_STEP_BACK_US_MIN } from "./limits.ts";

/** Of a picture in a file that says nothing about its rate. */
const DURATION_US = 40_000;

/** What a stream says about the times of its pictures, all in microseconds. */
export interface StreamTimes {
  /** Average time from one picture to the next; `undefined` where the file does not tell. */
  readonly intervalUs?: number | undefined;
  /** End of the stream on its own clock; `undefined` where the file does not tell. */
  readonly endUs?: number | undefined;
}

/** What a file says about one picture, in microseconds. */
export interface PictureTimestamps {
  /** When it is shown, on the stream's own clock, which may begin anywhere; `undefined` where the file does not tell. */
  readonly stampUs: number | undefined;
  /** How long; 0 where the file does not tell. */
  readonly durationUs: number;
}

/** When a picture is on, in microseconds from the first one. */
export interface PictureInterval {
  readonly startUs: number;
  readonly endUs: number;
}

/**
 * Turns a stream's timestamps into times from its first picture, which always rise. It makes up for those that are
 * missing or go back a little, and leaves jumps out: a recording whose clock was set, or that was joined of two, goes
 * on where it was.
 */
export class PictureTimes {
  readonly #stream: StreamTimes;
  readonly #onJump: (jumpUs: number) => void;
  /** What brings the stream's clock to the time from the first picture. */
  #shiftUs: number | undefined;
  /** The last interval between two pictures that was none of a jump. */
  #intervalUs: number | undefined;
  #last = { startUs: -1, endUs: 0 };
  /** Pictures so far. */
  count = 0;

  /** @param onJump Told of each jump that is left out, with its length. */
  constructor(stream: StreamTimes, onJump: (jumpUs: number) => void) {
    this.#stream = stream;
    this.#onJump = onJump;
  }

  /** Times of the next picture in the order of display. */
  next({ stampUs, durationUs }: PictureTimestamps): PictureInterval {
    if (stampUs !== undefined) this.#shiftUs ??= -stampUs;
    const saidUs = (stampUs ?? NaN) + (this.#shiftUs ?? 0);
    const startUs = this.#startOf(saidUs);
    if (this.count > 0) this.#intervalUs = startUs - this.#last.startUs;
    const lastsUs = durationUs > 0 && !this.#isGap(durationUs) ? durationUs : this.#usualUs;
    const endUs = startUs + lastsUs;
    // Formats that store times in the order of decoding may know the length of the last picture only by the stream's.
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

  /** Whether a picture that stays so long is one before a jump. */
  #isGap(us: number): boolean {
    return us > IDLE_GAP_US_MIN && us > IDLE_GAP_INTERVALS_MIN * this.#usualUs;
  }

  /** A jump makes the average too long, and a pause the last interval. */
  get #usualUs(): number {
    const { intervalUs = DURATION_US } = this.#stream;
    return Math.min(intervalUs, this.#intervalUs ?? Infinity);
  }
}
