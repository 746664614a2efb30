import type { ClipPictures, IdleClip } from "../../../src/media/idle/clip.ts";
import type { RawFrame } from "../../../src/media/frame.ts";

/** An idle clip of these pictures that does not count its users. */
export function clipOf(
  name: string,
  { still, frameAt, durationUs = 1_000_000 }: {
    still: boolean;
    frameAt: (elapsedUs: number) => RawFrame;
    durationUs?: number;
  },
): IdleClip {
  const pictures: ClipPictures = { still, durationUs, frameAt };
  return { name, pictures, frameAt, release() {} };
}
