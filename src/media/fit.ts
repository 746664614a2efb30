/** A rectangle of pixels; every number is even, as I420 needs it. */
export interface FittedArea {
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
}

/**
 * Where a picture lies in a frame: as large as possible with its aspect kept, in the middle. Sizes are rounded to even
 * numbers, which bends the aspect by a pixel at most and never leaves a bar that thin.
 *
 * @param picture Width and height in square pixels; fractions are fine.
 * @param frame Width and height in pixels, even.
 */
export function fitInside(
  picture: { width: number; height: number },
  frame: { width: number; height: number },
): FittedArea {
  const scale = Math.min(frame.width / picture.width, frame.height / picture.height);
  const width = toEven(picture.width * scale, frame.width);
  const height = toEven(picture.height * scale, frame.height);
  return {
    x: 2 * Math.floor((frame.width - width) / 4),
    y: 2 * Math.floor((frame.height - height) / 4),
    width,
    height,
  };
}

/** A part of a size, with even sides. */
export function scaleEvenly(
  { width, height }: { width: number; height: number },
  scale: number,
): { width: number; height: number } {
  return { width: toEven(width * scale, width), height: toEven(height * scale, height) };
}

function toEven(length: number, max: number): number {
  return Math.min(max, Math.max(2, 2 * Math.round(length / 2)));
}
