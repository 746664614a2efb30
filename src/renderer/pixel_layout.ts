import type { PixelFormat } from "../media/frame.ts";

/** `PINHOLE_FRAME_SIDE_MAX`: larger than any picture, and small enough to detect uninitialised memory. */
export const FRAME_SIDE_MAX = 16384;

/** `PINHOLE_FORMAT_H264` of native/include/pinhole.h. */
export const FORMAT_H264 = 7;

/** Maximum access unit: even a raw 4K picture has only 12 MB. */
export const ACCESS_UNIT_BYTES_MAX = 16 * 1024 * 1024;

/** The other `PINHOLE_FORMAT_…`, by number. */
export const PIXEL_FORMAT_CODES: Readonly<Record<number, PixelFormat>> = {
  1: "i420",
  2: "nv12",
  3: "rgba",
  4: "bgra",
  5: "rgb24",
  6: "bgr24",
};

/** Bytes per row and number of rows of each plane, relative to the picture's width and height. */
export const PLANE_PARTS: Readonly<
  Record<PixelFormat, readonly { readonly rowBytes: number; readonly rows: number }[]>
> = {
  i420: [{ rowBytes: 1, rows: 1 }, { rowBytes: 0.5, rows: 0.5 }, { rowBytes: 0.5, rows: 0.5 }],
  nv12: [{ rowBytes: 1, rows: 1 }, { rowBytes: 1, rows: 0.5 }],
  rgba: [{ rowBytes: 4, rows: 1 }],
  bgra: [{ rowBytes: 4, rows: 1 }],
  rgb24: [{ rowBytes: 3, rows: 1 }],
  bgr24: [{ rowBytes: 3, rows: 1 }],
};
