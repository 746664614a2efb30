import type { Plane } from "../media/frame.ts";

/** A rectangle in pixels; fractions are rounded down, to even pixels where chroma is concerned. */
export interface Area {
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
}

/** One colour in BT.601 limited range. */
export interface Yuv {
  readonly y: number;
  readonly u: number;
  readonly v: number;
}

/** Converts red, green and blue from 0 to 1 to BT.601 limited range. */
export function yuvFromRgb([red, green, blue]: readonly [number, number, number]): Yuv {
  return {
    y: Math.round(16 + 65.481 * red + 128.553 * green + 24.966 * blue),
    u: Math.round(128 - 37.797 * red - 74.203 * green + 112 * blue),
    v: Math.round(128 + 112 * red - 93.786 * green - 18.214 * blue),
  };
}

/** A picture in memory for drawing, initially black. */
export class I420Picture {
  /** Pixels, even. */
  readonly width: number;
  /** Pixels, even. */
  readonly height: number;
  /** Y, U and V without padding between rows; written in place by the methods. */
  readonly planes: readonly [Plane, Plane, Plane];

  /** @param size Pixels, even. */
  constructor({ width, height }: { width: number; height: number }) {
    this.width = width;
    this.height = height;
    const plane = (divisor: number, value: number): Plane => ({
      data: new Uint8Array((width / divisor) * (height / divisor)).fill(value),
      strideBytes: width / divisor,
    });
    this.planes = [plane(1, 16), plane(2, 128), plane(2, 128)];
  }

  /** Fills a rectangle, clipped to the picture. */
  fillArea(area: Area, color: Yuv): void {
    this.#eachPlane(color, (plane, { value, divisor }) => {
      const { left, right, top, bottom } = this.#bounds(area, divisor);
      for (let y = top; y < bottom; y++) {
        plane.data.fill(value, y * plane.strideBytes + left, y * plane.strideBytes + right);
      }
    });
  }

  /** Fills a disc that is completely inside the picture. */
  fillDisc({ x, y, radius }: { x: number; y: number; radius: number }, color: Yuv): void {
    this.#eachPlane(color, (plane, { value, divisor }) => {
      const reach = Math.floor(radius / divisor);
      for (let dy = -reach; dy < reach; dy++) {
        const half = Math.sqrt((radius / divisor) ** 2 - (dy + 0.5) ** 2);
        const middle = (Math.floor(y / divisor) + dy) * plane.strideBytes + x / divisor;
        plane.data.fill(value, Math.round(middle - half), Math.round(middle + half));
      }
    });
  }

  /** Copies a rectangle from the same position in another picture of the same size. */
  copyArea(source: I420Picture, area: Area): void {
    this.planes.forEach((plane, index) => {
      const from = source.planes[index];
      if (from === undefined) return;
      const { left, right, top, bottom } = this.#bounds(area, index === 0 ? 1 : 2);
      for (let y = top; y < bottom; y++) {
        const at = y * plane.strideBytes;
        plane.data.set(from.data.subarray(at + left, at + right), at + left);
      }
    });
  }

  #eachPlane(
    color: Yuv,
    draw: (plane: Plane, options: { value: number; divisor: number }) => void,
  ): void {
    const [y, u, v] = this.planes;
    draw(y, { value: color.y, divisor: 1 });
    draw(u, { value: color.u, divisor: 2 });
    draw(v, { value: color.v, divisor: 2 });
  }

  #bounds(area: Area, divisor: number) {
    const clamp = (pixel: number, size: number) =>
      Math.min(Math.max(Math.floor(pixel / 2), 0), size / 2) * (2 / divisor);
    return {
      left: clamp(area.x, this.width),
      right: clamp(area.x + area.width, this.width),
      top: clamp(area.y, this.height),
      bottom: clamp(area.y + area.height, this.height),
    };
  }
}
