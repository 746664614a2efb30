/** A rectangle in pixels; all numbers are even, as I420 requires. */
export interface FittedArea {
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
}

/**
 * Fits a picture into a frame: centred, and as large as possible with its aspect ratio kept. Sizes are rounded to even
 * numbers, which changes the aspect by one pixel at most and never leaves a bar that thin.
 *
 * @param picture Width and height in square pixels; may be fractions.
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

/** Scales a size, rounded to even numbers. */
export function scaleEvenly(
  { width, height }: { width: number; height: number },
  scale: number,
): { width: number; height: number } {
  return { width: toEven(width * scale, width), height: toEven(height * scale, height) };
}

function toEven(length: number, max: number): number {
  return Math.min(max, Math.max(2, 2 * Math.round(length / 2)));
}
