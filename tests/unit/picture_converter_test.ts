import assert from "assert";
import type { Frame } from "node-av/lib";
import { allocatePicture, PictureConverter } from "../../src/media/picture_converter.ts";
import { PIXEL_FORMATS, type PixelFormat, type RawFrame } from "../../src/media/frame.ts";

const SIZE = { width: 320, height: 180 } as const;
const BLACK = 16;

for (const format of PIXEL_FORMATS) {
  Deno.test(`PictureConverter: ${format} of any shape keeps its aspect, with black around it`, async () => {
    const converter = new PictureConverter();
    const target = allocatePicture(SIZE.width, SIZE.height);
    // Widths of the area that no vector instruction divides, too.
    for (const [width, height] of [[512, 512], [100, 300], [640, 90], [214, 180], [320, 180]]) {
      assert.ok(width && height);
      // Twice: what the first one leaves must not be seen beside the second.
      for (let time = 0; time < 2; time++) {
        await converter.convert(white(format, { width, height }), target);
      }
      const scale = Math.min(SIZE.width / width, SIZE.height / height);
      const seen = lightArea(target);
      assert.ok(Math.abs(seen.width - width * scale) <= 2, `${width}x${height}: ${seen.width}`);
      assert.ok(Math.abs(seen.height - height * scale) <= 2, `${width}x${height}: ${seen.height}`);
      assert.ok(Math.abs(2 * seen.x + seen.width - SIZE.width) <= 2);
      assert.ok(Math.abs(2 * seen.y + seen.height - SIZE.height) <= 2);
      assert.equal(seen.pixels, seen.width * seen.height, "nothing is light outside of it");
    }
    converter.close();
    target.free();
  });
}

/** The rectangle around all that is not black, and how many pixels that are. */
function lightArea(
  target: Frame,
): { x: number; y: number; width: number; height: number; pixels: number } {
  const luma = target.data?.[0] ?? assert.fail();
  const stride = target.linesize[0] ?? 0;
  const rows: number[] = [];
  const columns: number[] = [];
  let pixels = 0;
  for (let y = 0; y < SIZE.height; y++) {
    for (let x = 0; x < SIZE.width; x++) {
      if (luma[y * stride + x] === BLACK) continue;
      pixels++;
      rows.push(y);
      columns.push(x);
    }
  }
  const [x, right, y, bottom] = [columns, rows].flatMap((all) => [
    all.reduce((a, b) => Math.min(a, b)),
    all.reduce((a, b) => Math.max(a, b)),
  ]) as [number, number, number, number];
  return { x, y, width: right - x + 1, height: bottom - y + 1, pixels };
}

function white(format: PixelFormat, size: { width: number; height: number }): RawFrame {
  const { width, height } = size;
  const plane = (strideBytes: number, rows: number, value: number) => ({
    data: new Uint8Array(strideBytes * rows).fill(value),
    strideBytes,
  });
  const planes = {
    i420: () => [plane(width, height, 235), ...[0, 1].map(() => plane(width / 2, height / 2, 128))],
    nv12: () => [plane(width, height, 235), plane(width, height / 2, 128)],
    rgba: () => [plane(4 * width, height, 255)],
    bgra: () => [plane(4 * width, height, 255)],
    rgb24: () => [plane(3 * width, height, 255)],
    bgr24: () => [plane(3 * width, height, 255)],
  }[format]();
  return { kind: "raw", format, ...size, planes, timestampUs: 0 };
}
