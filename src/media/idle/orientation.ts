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
const MATRIX_BYTES = 36;

/**
 * Reads how a camera was held: phones store pictures as the sensor saw them, with a display matrix (ISO/IEC 14496-12
 * §8.2.2; FFmpeg makes one of EXIF's orientation too) that says how to turn them. Only right angles and reflections
 * count; others are left as they are.
 *
 * @param matrix Nine 32-bit numbers in the order of the host, row by row; `null` when there is none.
 */
export function readOrientation(matrix: Uint8Array | null): Orientation {
  if (matrix === null || matrix.byteLength < MATRIX_BYTES) {
    return { filters: [], transposed: false };
  }
  const numbers = new Int32Array(matrix.slice(0, MATRIX_BYTES).buffer);
  const at = (index: number) => numbers[index] ?? 0;
  const transposed = Math.abs(at(X_FROM_Y)) > Math.abs(at(X_FROM_X));
  const filters = transposed ? ["transpose=cclock_flip"] : [];
  if (at(transposed ? X_FROM_Y : X_FROM_X) < 0) filters.push("hflip");
  if (at(transposed ? Y_FROM_X : Y_FROM_Y) < 0) filters.push("vflip");
  return { filters, transposed };
}
