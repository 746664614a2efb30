import type { RawFrame } from "../frame.ts";
import type { Recording } from "./picture_recorder.ts";

/** Size and rate of the session that shows a clip. */
export interface IdleFormat {
  /** Pixels, even. */
  readonly width: number;
  /** Pixels, even. */
  readonly height: number;
  /** Frames per second. */
  readonly fps: number;
}

/** A decoded idle source, leased from an `IdleLibrary`. */
export interface IdleClip {
  /** Name of the source in the config, `default`, or `card`. */
  readonly name: string;
  /** The part that all leases of the clip share: the same object for each. */
  readonly pictures: ClipPictures;
  /**
   * The picture at `elapsedUs` microseconds (any number) after the start; the loop repeats without end.
   *
   * I420 in BT.601 limited range, in exactly the requested size. The clip owns the memory; it never changes and may be
   * read at any time, even after `release`. The same picture is always the same object, so a caller can detect that
   * nothing changed. Its `timestampUs` is the position in the loop, not on the session's timeline.
   */
  frameAt(elapsedUs: number): RawFrame;
  /** Ends the lease: the memory may be reused for other clips. Idempotent. */
  release(): void;
}

/** The part that all leases of a clip share. */
export interface ClipPictures {
  /** Whether it is a single picture. */
  readonly still: boolean;
  /** Duration of the loop, in microseconds; any value for a still picture. */
  readonly durationUs: number;
  frameAt(elapsedUs: number): RawFrame;
}

const STILL_US = 1_000_000;

/** Wraps a single picture. */
export function stillPicture(frame: RawFrame): ClipPictures {
  return { still: true, durationUs: STILL_US, frameAt: () => frame };
}

/**
 * Makes a loop of a recording; one that was cut plays forward and backward.
 * @param recording At least one picture.
 * @param options.fps Rate of the session. A picture starts half a frame before its time, so that the session shows
 * each in the nearest of its frames, regardless of jitter.
 */
export function loopPictures(
  recording: Recording<RawFrame>,
  { fps }: { fps: number },
): ClipPictures {
  const { pictures, startsUs, durationUs, cut } = recording;
  const [first] = pictures;
  if (first === undefined) throw new RangeError("Cannot make a loop of no pictures");
  if (pictures.length === 1) return stillPicture(first);
  const times = cut
    ? thereAndBack(startsUs)
    : { startsUs, durationUs, order: pictures.map((_, index) => index) };
  const frames = times.order.map((index) => pictures[index] ?? first);
  const loop = new Loop(times);
  const halfFrameUs = 500_000 / fps;
  return {
    still: false,
    durationUs: times.durationUs,
    frameAt: (elapsedUs) => frames[loop.indexAt(elapsedUs + halfFrameUs)] ?? first,
  };
}

/** Start times of the pictures of a loop. */
interface LoopTimes {
  /** Microseconds from the loop's start, ascending, the first 0; at least one. */
  readonly startsUs: readonly number[];
  /** Duration of the loop, in microseconds, above the last start. */
  readonly durationUs: number;
}

/** Finds the picture of a loop at a time, by a binary search without allocation. */
export class Loop {
  readonly #startsUs: Float64Array;
  readonly #durationUs: number;

  constructor({ startsUs, durationUs }: LoopTimes) {
    this.#startsUs = Float64Array.from(startsUs);
    this.#durationUs = durationUs;
  }

  /** Index of the picture at `elapsedUs` microseconds, which may be any number. */
  indexAt(elapsedUs: number): number {
    const phaseUs = elapsedUs - Math.floor(elapsedUs / this.#durationUs) * this.#durationUs;
    let low = 0;
    let high = this.#startsUs.length;
    while (high - low > 1) {
      const middle = (low + high) >>> 1;
      if ((this.#startsUs[middle] ?? Infinity) <= phaseUs) low = middle;
      else high = middle;
    }
    return low;
  }
}

/**
 * Times of a loop that plays forward and then backward, so that a source that was cut in the middle of a movement has
 * no visible jump. Entry `i` of {@link LoopTimes.startsUs} shows picture `order[i]`.
 *
 * @param startsUs As in {@link LoopTimes}, for playing forward; at least two.
 */
export function thereAndBack(
  startsUs: readonly number[],
): LoopTimes & { readonly order: readonly number[] } {
  const last = startsUs.length - 1;
  const lastUs = startsUs[last] ?? 0;
  const order = startsUs.map((_, index) => index);
  const allUs = [...startsUs];
  for (let index = last - 1; index > 0; index--) {
    order.push(index);
    allUs.push(2 * lastUs - (startsUs[index] ?? 0));
  }
  return { order, startsUs: allUs, durationUs: 2 * lastUs };
}
