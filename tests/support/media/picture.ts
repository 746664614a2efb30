import type { RawFrame } from "../../../src/media/frame.ts";

/** RGBA, height × width × 4, row-major without padding. */
export interface RgbaImage {
  readonly data: Uint8Array;
  readonly width: number;
  readonly height: number;
}

/** Makes RGBA of a frame in any format, as a browser would (BT.601, limited range). */
export function rgbaFromFrame(frame: RawFrame): RgbaImage {
  const { width, height } = frame;
  const pixel = pixelReader(frame);
  const data = new Uint8Array(width * height * 4);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) data.set(pixel(x, y), (y * width + x) * 4);
  }
  return { data, width, height };
}

type Rgba = readonly [number, number, number, number];

function pixelReader(frame: RawFrame): (x: number, y: number) => Rgba {
  const sample = (plane: number, at: { x: number; y: number }): number => {
    const { data, strideBytes } = frame.planes[plane] ?? { data: [], strideBytes: 0 };
    return data[at.y * strideBytes + at.x] ?? 0;
  };
  const packed = (bytes: number, [red, green, blue]: readonly [number, number, number]) => {
    return (x: number, y: number): Rgba => [
      sample(0, { x: x * bytes + red, y }),
      sample(0, { x: x * bytes + green, y }),
      sample(0, { x: x * bytes + blue, y }),
      255,
    ];
  };
  switch (frame.format) {
    case "i420":
      return (x, y) => {
        const at = { x: x >> 1, y: y >> 1 };
        return rgbaFromYuv(sample(0, { x, y }), { u: sample(1, at), v: sample(2, at) });
      };
    case "nv12":
      return (x, y) => {
        const u = sample(1, { x: x & ~1, y: y >> 1 });
        const v = sample(1, { x: x | 1, y: y >> 1 });
        return rgbaFromYuv(sample(0, { x, y }), { u, v });
      };
    case "rgba":
      return packed(4, [0, 1, 2]);
    case "bgra":
      return packed(4, [2, 1, 0]);
    case "rgb24":
      return packed(3, [0, 1, 2]);
    case "bgr24":
      return packed(3, [2, 1, 0]);
  }
}

function rgbaFromYuv(y: number, { u, v }: { u: number; v: number }): Rgba {
  const byte = (value: number) => Math.min(255, Math.max(0, Math.round(value)));
  const luma = (y - 16) * 255 / 219;
  return [
    byte(luma + 1.596 * (v - 128)),
    byte(luma - 0.392 * (u - 128) - 0.813 * (v - 128)),
    byte(luma + 2.017 * (u - 128)),
    255,
  ];
}
