import type { BlockCode } from "../../../src/renderer/block_code.ts";

/**
 * Reads the code that `drawBlockCode` drew, from a decoded picture of any size.
 *
 * The function uses nothing outside its own body, so its text can be carried into a browser page.
 *
 * @param image RGBA, height × width × 4, row-major without padding; an `ImageData` fits.
 * @returns `undefined` when there is no code or it cannot be read without doubt.
 */
export function readBlockCode(
  image: {
    readonly data: Uint8Array | Uint8ClampedArray;
    readonly width: number;
    readonly height: number;
  },
): BlockCode | undefined {
  const columns = 26;
  const contrastMin = 64;
  const { data, width, height } = image;
  const cell = Math.min(width / 40, height / 12);

  // The middle half of a cell: blur and ringing of the neighbours stay outside.
  const luma = (column: number, row: number): number => {
    const left = Math.floor((column + 0.25) * cell);
    const top = Math.floor((row + 0.25) * cell);
    const right = Math.max(left + 1, Math.ceil((column + 0.75) * cell));
    const bottom = Math.max(top + 1, Math.ceil((row + 0.75) * cell));
    let sum = 0;
    for (let y = top; y < bottom; y++) {
      for (let x = left; x < right; x++) {
        const at = (y * width + x) * 4;
        sum += (data[at] ?? 0) + 2 * (data[at + 1] ?? 0) + (data[at + 2] ?? 0);
      }
    }
    return sum / (4 * (bottom - top) * (right - left));
  };

  const last = columns - 1;
  const black = Math.max(luma(0, 0), luma(0, 2), luma(last, 0), luma(last, 2));
  const white = Math.min(luma(0, 1), luma(0, 3), luma(last, 1), luma(last, 3));
  if (white - black < contrastMin) return undefined;
  const threshold = (black + white) / 2;

  const bytes = new Uint8Array(12);
  for (let bit = 0; bit < 96; bit++) {
    const row = Math.floor(bit / (columns - 2));
    if (luma(1 + bit % (columns - 2), row) > threshold) {
      bytes[bit >> 3] = (bytes[bit >> 3] ?? 0) | 1 << (7 - (bit & 7));
    }
  }
  // Over the data and its own check bits, a CRC without final XOR comes out as 0.
  let crc = 0xffff;
  for (const byte of bytes) {
    crc ^= byte << 8;
    for (let bit = 0; bit < 8; bit++) crc = (crc & 0x8000 ? crc << 1 ^ 0x1021 : crc << 1) & 0xffff;
  }
  if (crc !== 0) return undefined;
  const view = new DataView(bytes.buffer);
  return {
    frameNumber: view.getUint32(0),
    sentAtMs: view.getUint16(4) * 2 ** 32 + view.getUint32(6),
  };
}
