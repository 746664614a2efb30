import type { RawFrame } from "../frame.ts";
import type { ClipPictures } from "./clip.ts";

/**
 * Maximum time between keyframes of a moving loop, in microseconds. A viewer that joins others or lost packets waits
 * for the next one, half a second on average. Twice as many keyframes would take half of the bits; half as many would
 * leave a damaged picture for two seconds.
 */
export const LOOP_KEYFRAME_US = 1_000_000;

/** Shorter loops are encoded several times in a row, in microseconds, since every round starts with a keyframe. */
const ROUND_US_MIN = 3_000_000;

/** A still picture is repeated this often, in microseconds, to keep decoders and tunnels active. */
const STILL_REFRESH_US = 1_000_000;

/**
 * Number of times a still picture is encoded per round, after the first some ten bytes each. Keyframes should be rare,
 * because they are coarser than the refined picture before them. Viewers that need one receive it at once, since a
 * still picture may restart at any time.
 */
const STILL_REFRESHES = 240;

/** One picture of a round. */
export interface LoopMoment {
  readonly picture: RawFrame;
  /** Microseconds from the start of the round; the first is 0. */
  readonly startUs: number;
  /** Whether it is to be a keyframe. The first is one. */
  readonly keyframe: boolean;
}

/** The pictures to encode for one round of an idle clip. */
export interface LoopRound {
  /** Whether all moments have the same picture. */
  readonly still: boolean;
  /** Ascending, at least one. */
  readonly moments: readonly LoopMoment[];
  /** Above the last start. */
  readonly durationUs: number;
}

/**
 * Selects the pictures to encode for one round of a clip, at the frame times of a session: it shows at most one picture
 * every 1/fps seconds, and more would only cost bits. A round is a whole number of frames.
 */
export function roundOf(clip: ClipPictures, { fps }: { fps: number }): LoopRound {
  const startUsOf = (frame: number) => frame * 1e6 / fps;
  const framesOnce = Math.max(1, Math.round(clip.durationUs * fps / 1e6));
  const frames = framesOnce * Math.ceil(ROUND_US_MIN / startUsOf(framesOnce));
  const durationUs = startUsOf(frames);
  const keyframeUs = durationUs / Math.ceil(durationUs / LOOP_KEYFRAME_US);
  const moments: LoopMoment[] = [];
  let keyframes = 0;
  for (let frame = 0; frame < frames && !clip.still; frame++) {
    const picture = clip.frameAt(startUsOf(frame % framesOnce));
    if (moments.at(-1)?.picture === picture) continue;
    const startUs = startUsOf(frame);
    // The nearest frame.
    const keyframe = startUs >= keyframes * keyframeUs - startUsOf(1) / 2;
    if (keyframe) keyframes++;
    moments.push({ picture, startUs, keyframe });
  }
  return moments.length < 2 ? stillRound(clip.frameAt(0)) : { still: false, moments, durationUs };
}

/**
 * Two keyframes rather than one, so that two that are sent in a row, as when a second viewer joins, differ in
 * `idr_pic_id` (H.264 §7.4.3).
 */
function stillRound(picture: RawFrame): LoopRound {
  const moments = Array.from({ length: STILL_REFRESHES }, (_, index) => ({
    picture,
    startUs: index * STILL_REFRESH_US,
    keyframe: index % (STILL_REFRESHES / 2) === 0,
  }));
  return { still: true, moments, durationUs: STILL_REFRESHES * STILL_REFRESH_US };
}
