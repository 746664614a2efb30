/** FFmpeg filters that turn a picture upright, in this order. */
export interface Orientation {
  /** None if the picture is upright already. */
  readonly filters: readonly string[];
  /** Whether width and height are swapped. */
  readonly transposed: boolean;
}

/** Indices of the four numbers of a rotation by right angles in the 3 × 3 matrix. */
const X_FROM_X = 0;
const Y_FROM_X = 1;
const X_FROM_Y = 3;
const Y_FROM_Y = 4;

/** Bytes of 3 × 3 numbers of 32 bits. */
export const ORIENTATION_BYTES = 36;

/**
 * Reads a display matrix (ISO/IEC 14496-12 §8.2.2; FFmpeg converts EXIF orientation to one too), which says how to
 * turn a picture that is stored in the sensor's orientation. Only right angles and reflections are applied.
 *
 * @param matrix Nine 32-bit numbers in the host's byte order, row by row; `null` if there is none.
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

/** Coefficients of x and y in the new x, and in the new y, by the number of quarter turns counter-clockwise. */
const TURNS = [[1, 0, 0, 1], [0, 1, -1, 0], [-1, 0, 0, -1], [0, -1, 1, 0]] as const;

/** Makes the display matrix for {@link readOrientation} of a picture that is turned and then flipped. */
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
