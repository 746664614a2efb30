import { readBlockCode } from "../support/media/block_code.ts";
import assert from "assert";
import { type BlockCode, blockCodeArea, drawBlockCode } from "../../src/renderer/block_code.ts";
import type { RgbaImage } from "../support/media/picture.ts";
import { Random } from "../support/random.ts";

/** A grey picture: what the tests do to it they do to all its colours alike. */
interface Luma {
  readonly data: Uint8Array<ArrayBuffer>;
  readonly width: number;
  readonly height: number;
}

const CODE: BlockCode = { frameNumber: 0x1234_5678, sentAtMs: 1_790_000_000_123 };

function drawn([width, height]: readonly [number, number], code: BlockCode = CODE): Luma {
  const random = new Random(width * height);
  const data = random.bytes(width * height);
  drawBlockCode({ data, strideBytes: width }, { width, height }, code);
  return { data, width, height };
}

function rgba({ data, width, height }: Luma): RgbaImage {
  const image = new Uint8Array(width * height * 4).fill(255);
  data.forEach((luma, index) => image.fill(luma, index * 4, index * 4 + 3));
  return { data: image, width, height };
}

/** The mean of a square around each pixel, as strong compression or a soft scaler leaves it. */
function blurred({ data, width, height }: Luma, radius: number): Luma {
  const soft = new Uint8Array(data.length);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      let sum = 0;
      let count = 0;
      for (let v = Math.max(0, y - radius); v <= Math.min(height - 1, y + radius); v++) {
        for (let u = Math.max(0, x - radius); u <= Math.min(width - 1, x + radius); u++) {
          sum += data[v * width + u] ?? 0;
          count++;
        }
      }
      soft[y * width + x] = sum / count;
    }
  }
  return { data: soft, width, height };
}

/** Few levels, less contrast, a lift of the black level, and noise. */
function coarse({ data, width, height }: Luma): Luma {
  const random = new Random(7);
  const rough = data.map((luma) =>
    Math.max(0, Math.round(luma / 48) * 48 * 0.6 + 40 + random.between(-30, 30))
  );
  return { data: rough, width, height };
}

/** Bilinear scaling, pixel centres on pixel centres. */
function scaled(picture: Luma, width: number): Luma {
  const height = Math.round(picture.height * width / picture.width / 2) * 2;
  const data = new Uint8Array(width * height);
  const at = (x: number, y: number) => picture.data[y * picture.width + x] ?? 0;
  for (let y = 0; y < height; y++) {
    const fromY = Math.max(0, (y + 0.5) * picture.height / height - 0.5);
    const top = Math.floor(fromY);
    const bottom = Math.min(picture.height - 1, top + 1);
    for (let x = 0; x < width; x++) {
      const fromX = Math.max(0, (x + 0.5) * picture.width / width - 0.5);
      const left = Math.floor(fromX);
      const right = Math.min(picture.width - 1, left + 1);
      const upper = at(left, top) + (at(right, top) - at(left, top)) * (fromX - left);
      const lower = at(left, bottom) + (at(right, bottom) - at(left, bottom)) * (fromX - left);
      data[y * width + x] = upper + (lower - upper) * (fromY - top);
    }
  }
  return { data, width, height };
}

const SIZES = [[160, 120], [176, 144], [512, 512], [720, 1280], [854, 480], [1280, 720], [
  3840,
  2160,
], [1920, 100]] as const;

Deno.test("readBlockCode: reads what was drawn at every size", () => {
  for (const size of SIZES) assert.deepEqual(readBlockCode(rgba(drawn(size))), CODE, `${size}`);
});

Deno.test("readBlockCode: reads every bit, alone and with all others", () => {
  const codes = [{ frameNumber: 0, sentAtMs: 0 }, {
    frameNumber: 2 ** 32 - 1,
    sentAtMs: 2 ** 48 - 1,
  }];
  for (let bit = 0; bit < 32; bit++) codes.push({ frameNumber: 2 ** bit, sentAtMs: 0 });
  for (let bit = 0; bit < 48; bit++) codes.push({ frameNumber: 0, sentAtMs: 2 ** bit });
  for (const code of codes) assert.deepEqual(readBlockCode(rgba(drawn([320, 180], code))), code);
});

Deno.test("readBlockCode: reads through blur, few levels, low contrast and noise", () => {
  assert.deepEqual(readBlockCode(rgba(coarse(blurred(drawn([160, 120]), 1)))), CODE);
  assert.deepEqual(readBlockCode(rgba(coarse(blurred(drawn([640, 360]), 4)))), CODE);
});

Deno.test("readBlockCode: reads a picture that was scaled down or up", () => {
  const picture = drawn([1280, 720]);
  for (const width of [160, 320, 426, 480, 640, 854, 960, 1920]) {
    assert.deepEqual(readBlockCode(rgba(scaled(picture, width))), CODE, `${width}`);
  }
});

Deno.test("readBlockCode: sees no code where there is none", () => {
  const [width, height] = [320, 180];
  const random = new Random(1);
  const fill = (luma: number) => new Uint8Array(width * height).fill(luma);
  for (const data of [fill(0), fill(128), fill(255), random.bytes(width * height)]) {
    assert.equal(readBlockCode(rgba({ data, width, height })), undefined);
  }
  assert.equal(readBlockCode({ data: new Uint8Array(0), width: 0, height: 0 }), undefined);
});

Deno.test("readBlockCode: refuses a code with any one cell turned over", () => {
  const [width, height] = [160, 120];
  for (let cell = 0; cell < 26 * 4; cell++) {
    const picture = drawn([width, height]);
    const left = cell % 26 * 4;
    const top = Math.floor(cell / 26) * 4;
    for (let y = top; y < top + 4; y++) {
      const row = picture.data.subarray(y * width + left, y * width + left + 4);
      row.set(row.map((luma) => 251 - luma));
    }
    assert.equal(readBlockCode(rgba(picture)), undefined, `cell ${cell}`);
  }
});

Deno.test("readBlockCode: works from its own text, without its module", () => {
  const read: typeof readBlockCode = new Function(`return ${readBlockCode.toString()}`)();
  assert.deepEqual(read(rgba(drawn([640, 360]))), CODE);
});

Deno.test("drawBlockCode: keeps to its area, and to the rows of a padded plane", () => {
  const size = { width: 642, height: 362 };
  const strideBytes = 700;
  const data = new Uint8Array(strideBytes * size.height).fill(77);
  drawBlockCode({ data, strideBytes }, size, CODE);
  const area = blockCodeArea(size);
  assert.ok(area.width % 2 === 0 && area.height % 2 === 0);
  const touched = data.findIndex((luma, index) => {
    const inside = index % strideBytes < area.width && index / strideBytes < area.height;
    return !inside && luma !== 77;
  });
  assert.equal(touched, -1);
  const luma = new Uint8Array(size.width * size.height);
  for (let y = 0; y < size.height; y++) {
    luma.set(data.subarray(y * strideBytes, y * strideBytes + size.width), y * size.width);
  }
  assert.deepEqual(readBlockCode(rgba({ data: luma, ...size })), CODE);
});

Deno.test("drawBlockCode: leaves a picture that is too small for it in one piece", () => {
  for (const [width, height] of [[2, 2], [16, 16], [64, 2]] as const) {
    assert.equal(drawn([width, height]).data.length, width * height);
  }
});
