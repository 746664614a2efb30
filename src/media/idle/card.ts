import type { RawFrame } from "../frame.ts";

/**
 * Rows are drawn in slices of about this many pixels, one or two milliseconds each, and the event loop runs in
 * between.
 */
const SLICE_PIXELS = 200_000;

/** Luma of the background at the top and bottom edges, in BT.601 limited range. */
const GROUND_TOP_LUMA = 34;
const GROUND_BOTTOM_LUMA = 22;
const GROUND_U = 137;
const GROUND_V = 124;

/** Maximum luma that the glow adds. */
const GLOW_LUMA = 34;
const GLOW_U = 12;
const GLOW_V = -7;
/** Luma that the ring adds, and that of the point in the middle: white, but not glaring. */
const RING_LUMA = 52;
const POINT_LUMA = 216;
const NEUTRAL = 128;

/** Radii relative to the shorter side. */
const POINT_RADIUS = 0.018;
const RING_RADIUS = 0.11;
const RING_WIDTH = 0.004;
const GLOW_RADIUS = 0.42;

/** Entries of the light tables per pixel of distance from the centre. */
const STEPS_PER_PIXEL = 4;

/** Ordered 4 × 4 dither, in sixteenths of a step; without it dark gradients show bands. */
const DITHER: readonly number[] = [0, 8, 2, 10, 12, 4, 14, 6, 3, 11, 1, 9, 15, 7, 13, 5];

/**
 * Draws the built-in idle picture: a point of light in a thin ring on a dark background.
 *
 * @param size Pixels, even.
 * @returns I420 in BT.601 limited range, in new memory.
 */
export async function drawIdleCard(
  { width, height }: { width: number; height: number },
): Promise<RawFrame> {
  const light = lightOf({ width, height });
  const y = { data: new Uint8Array(width * height), strideBytes: width };
  const u = { data: new Uint8Array(width * height / 4), strideBytes: width / 2 };
  const v = { data: new Uint8Array(width * height / 4), strideBytes: width / 2 };
  const rowsAtOnce = 2 * Math.max(1, Math.floor(SLICE_PIXELS / width / 2));
  for (let top = 0; top < height; top += rowsAtOnce) {
    const bottom = Math.min(height, top + rowsAtOnce);
    const rows = { top, bottom, height };
    drawPlane(y, { ...rows, light: light.luma, ground: [GROUND_TOP_LUMA, GROUND_BOTTOM_LUMA] });
    const half = { top: top / 2, bottom: bottom / 2, height: height / 2, pixel: 2 };
    drawPlane(u, { ...half, light: light.u, ground: [GROUND_U, GROUND_U] });
    drawPlane(v, { ...half, light: light.v, ground: [GROUND_V, GROUND_V] });
    await new Promise((resolve) => setTimeout(resolve));
  }
  return { kind: "raw", format: "i420", width, height, planes: [y, u, v], timestampUs: 0 };
}

/** Value added to the background, by distance from the centre in units of 1/{@link STEPS_PER_PIXEL} pixel. */
type LightTable = Float32Array;

function lightOf(
  { width, height }: { width: number; height: number },
): { luma: LightTable; u: LightTable; v: LightTable } {
  const side = Math.min(width, height);
  const length = Math.ceil(Math.hypot(width, height) / 2 * STEPS_PER_PIXEL) + 1;
  const luma = new Float32Array(length);
  const u = new Float32Array(length);
  const v = new Float32Array(length);
  const pointRadius = POINT_RADIUS * side;
  const ringRadius = RING_RADIUS * side;
  const ringWidth = Math.max(1.5, RING_WIDTH * side);
  const groundLuma = (GROUND_TOP_LUMA + GROUND_BOTTOM_LUMA) / 2;
  for (let index = 0; index < length; index++) {
    const distance = index / STEPS_PER_PIXEL;
    const rest = Math.max(0, 1 - distance / (GLOW_RADIUS * side));
    const glow = rest * rest * (3 - 2 * rest);
    const ring = coverage(ringWidth / 2 - Math.abs(distance - ringRadius));
    const point = coverage(pointRadius - distance);
    luma[index] = blend(GLOW_LUMA * glow + RING_LUMA * ring, {
      part: point,
      to: POINT_LUMA - groundLuma,
    });
    u[index] = blend(GLOW_U * glow, { part: point, to: NEUTRAL - GROUND_U });
    v[index] = blend(GLOW_V * glow, { part: point, to: NEUTRAL - GROUND_V });
  }
  return { luma, u, v };
}

/** Fraction of a pixel inside an edge that is `depth` pixels away from it. */
function coverage(depth: number): number {
  return Math.min(1, Math.max(0, depth + 0.5));
}

function blend(from: number, { part, to }: { part: number; to: number }): number {
  return from + (to - from) * part;
}

/** Draws rows of one plane: background, light and dither. */
function drawPlane(
  { data, strideBytes: width }: { data: Uint8Array; strideBytes: number },
  { top, bottom, height, light, ground: [groundTop, groundBottom], pixel = 1 }: {
    top: number;
    bottom: number;
    height: number;
    light: LightTable;
    ground: readonly [number, number];
    /** Pixels between two samples of the plane. */
    pixel?: number;
  },
): void {
  const scale = pixel * STEPS_PER_PIXEL;
  for (let y = top; y < bottom; y++) {
    const ground = groundTop + (groundBottom - groundTop) * y / height;
    const dy = y + 0.5 - height / 2;
    for (let x = 0; x < width; x++) {
      const dx = x + 0.5 - width / 2;
      const added = light[Math.trunc(Math.sqrt(dx * dx + dy * dy) * scale)] ?? 0;
      data[y * width + x] = ground + added + (DITHER[(y & 3) * 4 + (x & 3)] ?? 0) / 16;
    }
  }
}
