/** What to do with a picture before it is shown upright, as FFmpeg's filters, in this order. */
export interface Orientation {
  /** Filters; none when the picture is upright as it lies in memory. */
  readonly filters: readonly string[];
  /** Whether its width becomes its height. */
  readonly transposed: boolean;
}

/** Index of the four numbers in the 3 × 3 matrix that a turn by right angles consists of. */
const X_FROM_X = 0;
const Y_FROM_X = 1;
const X_FROM_Y = 3;
const Y_FROM_Y = 4;

/** Bytes of 3 × 3 numbers of 32 bits. */
export const ORIENTATION_BYTES = 36;

/**
 * Reads how a camera was held: phones store pictures as the sensor saw them, with a display matrix (ISO/IEC 14496-12
 * §8.2.2; FFmpeg makes one of EXIF's orientation too) that says how to turn them. Only right angles and reflections
 * count; others are left as they are.
 *
 * @param matrix Nine 32-bit numbers in the order of the host, row by row; `null` when there is none.
 */
export function readOrientation(matrix: Uint8Array | null): Orientation {
  if (matrix === null || matrix.byteLength < ORIENTATION_BYTES) {
    return { filters: [], transposed: false };
  }
  const numbers = new Int32Array(matrix.slice(0, ORIENTATION_BYTES).buffer);
  const at = (index: number) => numbers[index] ?? 0;
  const transposed = Math.abs(at(X_FROM_Y)) > Math.abs(at(X_FROM_X));
  const filters = transposed ? ["transpose=cclock_flip"] : [];
  if (at(transposed ? X_FROM_Y : X_FROM_X) < 0) filters.push("hflip");
  if (at(transposed ? Y_FROM_X : Y_FROM_Y) < 0) filters.push("vflip");
  return { filters, transposed };
}

/** One in the fixed-point numbers of a display matrix. */
const ONE = 1 << 16;

/** Coefficients of x and y in the new x, and in the new y, for each number of quarter turns against the clock. */
const TURNS = [[1, 0, 0, 1], [0, 1, -1, 0], [-1, 0, 0, -1], [0, -1, 1, 0]] as const;

/** Makes the display matrix of a picture that is turned and then flipped, as {@link readOrientation} reads it. */
export function orientationMatrix(
  { turns, flip }: { turns: number; flip: "none" | "vertical" | "horizontal" },
): Uint8Array {
  const [xFromX, xFromY, yFromX, yFromY] = TURNS[turns & 3] ?? TURNS[0];
  const x = flip === "horizontal" ? -ONE : ONE;
  const y = flip === "vertical" ? -ONE : ONE;
  const matrix = new Int32Array(9);
  matrix[X_FROM_X] = x * xFromX;
  matrix[X_FROM_Y] = x * xFromY;
  matrix[Y_FROM_X] = y * yFromX;
  matrix[Y_FROM_Y] = y * yFromY;
  matrix[8] = 1 << 30;
  return new Uint8Array(matrix.buffer);
}
