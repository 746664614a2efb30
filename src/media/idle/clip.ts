import type { RawFrame } from "../frame.ts";
import { Loop, thereAndBack } from "./loop.ts";
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

/** An idle source ready to be shown, leased from an `IdleLibrary`. */
export interface IdleClip {
  /** Name of the source in the config, `default`, or `card`. */
  readonly name: string;
  /** Whether it is one picture for ever. */
  readonly still: boolean;
  /**
   * The picture that is on `elapsedUs` microseconds (any number) after the loop began; the loop goes round without end.
   *
   * I420 in BT.601 limited range, exactly as large as was asked for. Its memory is the clip's, never changes and may be
   * read at any time, even after `release`. The same picture is the same object each time, so that who got it before
   * knows that nothing changed; its `timestampUs` is its place in the loop, not on the session's timeline.
   */
  frameAt(elapsedUs: number): RawFrame;
  /** Ends the lease: its memory may go to other clips. Idempotent. */
  release(): void;
}

/** What is common to all leases of a clip. */
export interface ClipPictures {
  readonly still: boolean;
  frameAt(elapsedUs: number): RawFrame;
}

/** One picture for ever. */
export function stillPicture(frame: RawFrame): ClipPictures {
  return { still: true, frameAt: () => frame };
}

/**
 * Makes a loop of a recording; one that was cut runs there and back.
 * @param recording At least one picture.
 * @param options.fps Rate of the session. A picture is on from half a frame before its time, so that the session, which
 * asks at its own times, shows each in the frame that is nearest to it and is not thrown by a jitter of its clock.
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
    frameAt: (elapsedUs) => frames[loop.indexAt(elapsedUs + halfFrameUs)] ?? first,
  };
}
