import type { Plane } from "../media/frame.ts";

/** Content of a block code. */
export interface BlockCode {
  /** Number of the frame in its stream; 0 to 2^32 − 1. */
  readonly frameNumber: number;
  /** Time at which the frame was drawn: wall-clock milliseconds since 1970-01-01T00:00:00Z, 0 to 2^48 − 1. */
  readonly sentAtMs: number;
}

/** Width and height in pixels. */
export interface PictureSize {
  readonly width: number;
  readonly height: number;
}

/** Columns of cells. The first and the last are the reference columns. */
const COLUMNS = 26;
const ROWS = 4;
const DATA_COLUMNS = COLUMNS - 2;
/** Cell size as a fraction of the picture's width; in very wide pictures the height decides. */
const CELLS_PER_WIDTH = 40;
const CELLS_PER_HEIGHT = 12;
/** The limits of limited-range luma. */
const BLACK = 16;
const WHITE = 235;

/**
 * The area that the block code covers, from the top left corner; rounded up to even pixels. Chroma there should be
 * neutral (128), so that black and white do not change in the conversion to RGB.
 */
export function blockCodeArea({ width, height }: PictureSize): PictureSize {
  const cell = cellSize({ width, height });
  const even = (pixels: number) => Math.ceil(pixels / 2) * 2;
  return {
    width: Math.min(width, even(COLUMNS * cell)),
    height: Math.min(height, even(ROWS * cell)),
  };
}

/**
 * Draws a block code into the luma plane of a picture of `size`. From the decoded picture a program can read which
 * frame it is and when it was drawn. The code survives heavy compression and uniform scaling as long as a cell (width
 * / 40, or height / 12 if that is less) has about four pixels: a picture of 160×120.
 *
 * Layout: 26 columns × 4 rows of square cells from the top left corner. The cell's size c = min(width / 40, height /
 * 12) is not rounded; column i covers the pixels from floor(i × c) up to floor((i + 1) × c), rows alike. The first and
 * last column are, from the top, black, white, black, white; they identify a code and give the reader its levels. The
 * 24 columns between them hold 96 bits, row by row, most significant bit first, white for 1: frame number (32 bits),
 * time in milliseconds (48 bits), and the CRC-16 of those ten bytes (polynomial 0x1021, start 0xFFFF, not reflected,
 * no final XOR). Black is luma 16, white 235.
 *
 * @param plane Y plane (height × width), written in place; its stride may exceed the width.
 */
export function drawBlockCode(plane: Plane, size: PictureSize, code: BlockCode): void {
  const bytes = packCode(code);
  const cell = cellSize(size);
  const { data, strideBytes } = plane;
  for (let row = 0; row < ROWS; row++) {
    const top = Math.floor(row * cell);
    const bottom = Math.floor((row + 1) * cell);
    if (bottom === top) continue;
    const line = data.subarray(top * strideBytes, top * strideBytes + size.width);
    for (let column = 0; column < COLUMNS; column++) {
      const luma = isWhite(bytes, { row, column }) ? WHITE : BLACK;
      line.fill(luma, Math.floor(column * cell), Math.floor((column + 1) * cell));
    }
    const drawn = line.subarray(0, Math.floor(COLUMNS * cell));
    for (let y = top + 1; y < bottom; y++) data.set(drawn, y * strideBytes);
  }
}

function cellSize({ width, height }: PictureSize): number {
  return Math.min(width / CELLS_PER_WIDTH, height / CELLS_PER_HEIGHT);
}

function isWhite(bytes: Uint8Array, { row, column }: { row: number; column: number }): boolean {
  if (column === 0 || column === COLUMNS - 1) return row % 2 === 1;
  const bit = row * DATA_COLUMNS + column - 1;
  return ((bytes[bit >> 3] ?? 0) >> (7 - (bit & 7)) & 1) === 1;
}

function packCode({ frameNumber, sentAtMs }: BlockCode): Uint8Array {
  const bytes = new Uint8Array(12);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, frameNumber);
  view.setUint16(4, Math.floor(sentAtMs / 2 ** 32));
  view.setUint32(6, sentAtMs);
  let crc = 0xffff;
  for (const byte of bytes.subarray(0, 10)) {
    crc ^= byte << 8;
    for (let bit = 0; bit < 8; bit++) crc = (crc & 0x8000 ? crc << 1 ^ 0x1021 : crc << 1) & 0xffff;
  }
  view.setUint16(10, crc);
  return bytes;
}
