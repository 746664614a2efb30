import { splitAnnexB } from "../../../src/media/h264.ts";

/** Whether an Annex B access unit is an IDR picture, which can be decoded without any other. */
export function containsKeyframe(accessUnit: Uint8Array): boolean {
  const types = splitAnnexB(accessUnit).map(([head = 0]) => head & 0x1f);
  // The first slice settles it: an access unit has slices of an IDR picture only, or none.
  return types.find((type) => type >= 1 && type <= 5) === 5;
}

/** Whether a VP8 frame can be decoded without any other (RFC 6386 §9.1). */
export function isVp8Keyframe(frame: Uint8Array): boolean {
  const [tag = 1] = frame;
  return (tag & 1) === 0;
}
