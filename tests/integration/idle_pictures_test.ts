import assert from "assert";
import { IdleFiles, lumaAt } from "../support/media/idle_library.ts";
import { type Color, encodeJpeg, encodePng, writeVideo } from "../support/media/idle_media.ts";
import { rgbaFromFrame } from "../support/media/picture.ts";
import type { RawFrame } from "../../src/media/frame.ts";

const PROGRESSIVE = new URL("../testdata/idle/progressive.jpg", import.meta.url);
/** Like the picture of "what is transparent shows black". */
const PALETTE_ALPHA = new URL("../testdata/idle/palette_alpha.png", import.meta.url);

function colorAt(frame: RawFrame, x: number, y: number): number[] {
  return [...rgbaFromFrame(frame).data.subarray((y * frame.width + x) * 4).subarray(0, 3)];
}

function assertNear(actual: readonly number[], expected: readonly number[], within = 3): void {
  assert.equal(actual.length, expected.length);
  actual.forEach((value, index) => {
    const far = Math.abs(value - (expected[index] ?? NaN));
    assert.ok(far <= within, `[${actual}] is not near [${expected}]`);
  });
}

Deno.test("idle pictures: a PNG keeps its colours and fills I420 of exactly the size", async () => {
  await using files = new IdleFiles();
  const halves = (x: number): Color => x < 32 ? [220, 30, 60] : [20, 90, 230];
  const path = await files.write("a.png", encodePng({ width: 64, height: 48 }, halves));
  const frame = await files.firstPicture(path, { width: 128, height: 96 });
  const { format, width, height, planes } = frame;
  assert.deepEqual({ format, width, height }, { format: "i420", width: 128, height: 96 });
  assert.deepEqual(planes.map(({ data }) => data.length), [128 * 96, 64 * 48, 64 * 48]);
  assert.deepEqual(planes.map(({ strideBytes }) => strideBytes), [128, 64, 64]);
  assertNear(colorAt(frame, 20, 40), [220, 30, 60]);
  assertNear(colorAt(frame, 100, 40), [20, 90, 230]);
});

Deno.test("idle pictures: white and black end at the limits of the limited range", async () => {
  await using files = new IdleFiles();
  const halves = (x: number): Color => x < 32 ? [255, 255, 255] : [0, 0, 0];
  const png = await files.write("a.png", encodePng({ width: 64, height: 48 }, halves));
  const jpeg = await files.write(
    "a.jpg",
    await encodeJpeg({ width: 64, height: 48 }, { picture: { left: 255, right: 0 } }),
  );
  for (const path of [png, jpeg]) {
    const frame = await files.firstPicture(path, { width: 64, height: 48 });
    assertNear([lumaAt(frame, 8, 8), lumaAt(frame, 56, 8)], [235, 16], 1);
  }
});

Deno.test("idle pictures: a progressive JPEG is decoded", async () => {
  await using files = new IdleFiles();
  const frame = await files.firstPicture(PROGRESSIVE.pathname, { width: 64, height: 48 });
  assertNear(colorAt(frame, 8, 24), [200, 40, 40], 8);
  assertNear(colorAt(frame, 56, 24), [40, 60, 200], 8);
});

Deno.test("idle pictures: what is transparent shows black", async () => {
  await using files = new IdleFiles();
  const alphas = [0, 128, 255, 255];
  const fading = (x: number): Color => [255, 255, 255, alphas[x >> 4] ?? 0];
  const path = await files.write("a.png", encodePng({ width: 64, height: 48 }, fading));
  for (const source of [path, PALETTE_ALPHA.pathname]) {
    const frame = await files.firstPicture(source, { width: 64, height: 48 });
    assertNear([8, 24, 40].map((x) => lumaAt(frame, x, 20)), [16, 126, 235], 1);
  }
});

Deno.test("idle pictures: an image with a second one behind it is still the first", async () => {
  await using files = new IdleFiles();
  const [white, black] = [255, 0].map((level) =>
    encodePng({ width: 64, height: 48 }, () => [level, level, level])
  );
  const path = await files.write("a.png", new Uint8Array([...white ?? [], ...black ?? []]));
  const clip = await files.library({ source: path })
    .clip(undefined, { width: 64, height: 48, fps: 25 });
  assert.ok(clip.pictures.still);
  assert.equal(lumaAt(clip.frameAt(0), 32, 24), 235);
});

Deno.test("idle pictures: bars are black to the pixel, and the picture begins right behind them", async () => {
  await using files = new IdleFiles();
  const white = encodePng({ width: 50, height: 50 }, () => [255, 255, 255]);
  const path = await files.write("a.png", white);
  const tall = await files.firstPicture(path, { width: 128, height: 72 });
  for (let y = 0; y < 72; y++) {
    for (let x = 0; x < 128; x++) {
      assert.equal(lumaAt(tall, x, y), x < 28 || x >= 100 ? 16 : 235, `at ${x}, ${y}`);
    }
  }
  const wide = await files.firstPicture(path, { width: 72, height: 128 });
  for (let y = 0; y < 128; y++) assert.equal(lumaAt(wide, 36, y), y < 28 || y >= 100 ? 16 : 235);
  for (const { data } of wide.planes.slice(1)) assert.deepEqual([...new Set(data)], [128]);
});

Deno.test("idle pictures: a photo that was taken sideways is shown upright", async () => {
  await using files = new IdleFiles();
  const picture = { left: 200, right: 50 };
  // Orientation 6: the left half as stored belongs on top.
  const jpeg = await encodeJpeg({ width: 64, height: 48 }, { picture, orientation: 6 });
  const path = await files.write("a.jpg", jpeg);
  const frame = await files.firstPicture(path, { width: 48, height: 64 });
  assert.ok(lumaAt(frame, 24, 8) > 150 && lumaAt(frame, 24, 56) < 80);
  assert.ok(lumaAt(frame, 4, 32 - 4) > 150, "it fills the whole width");
});

Deno.test("idle pictures: a video that was taken sideways is shown upright", async () => {
  await using files = new IdleFiles();
  const path = files.path("a.mp4");
  await writeVideo(path, {
    size: { width: 64, height: 48 },
    pictures: [{ left: 200, right: 50 }, { left: 200, right: 50 }],
    startsMs: [0, 40],
    endMs: 80,
    // x' = -y, y' = x: a quarter turn clockwise.
    matrix: [0, 65_536, 0, -65_536, 0, 0, 0, 0, 1 << 30],
  });
  const frame = await files.firstPicture(path, { width: 48, height: 64 });
  assert.ok(lumaAt(frame, 24, 8) > 150 && lumaAt(frame, 24, 56) < 80);
});

Deno.test("idle pictures: pixels that are not square are stretched", async () => {
  await using files = new IdleFiles();
  const path = files.path("a.mp4");
  await writeVideo(path, {
    size: { width: 64, height: 64 },
    pictures: [{ left: 200, right: 200 }],
    startsMs: [0],
    endMs: 40,
    pixelAspect: 2,
  });
  const frame = await files.firstPicture(path, { width: 128, height: 128 });
  const column = [8, 28, 36, 92, 100, 120].map((y) => lumaAt(frame, 64, y));
  assertNear(column, [16, 16, 200, 200, 16, 16], 4);
});

Deno.test("idle pictures: a folder plays its images by number, each in its own size", async () => {
  await using files = new IdleFiles();
  const grey = (level: number, width: number) =>
    encodePng({ width, height: 36 }, () => [level, level, level]);
  await files.write("loop/frame10.png", grey(250, 64));
  await files.write("loop/frame9.PNG", grey(150, 32));
  await files.write(
    "loop/frame2.jpeg",
    await encodeJpeg({ width: 64, height: 36 }, { picture: { left: 50, right: 50 } }),
  );
  await files.write("loop/notes.txt", new TextEncoder().encode("not a picture"));
  await files.write("loop/.frame1.png", grey(0, 64));
  await files.write("loop/frame3.png/frame4.png", grey(0, 64));
  const library = files.library({ source: files.path("loop/") });
  const clip = await library.clip(undefined, { width: 64, height: 36, fps: 20 });
  assert.ok(!clip.pictures.still);
  const limited = (level: number) => 16 + level * 219 / 255;
  const shown = [0, 50_000, 100_000, 150_000].map((us) => lumaAt(clip.frameAt(us), 32, 18));
  assertNear(shown, [50, 150, 250, 50].map(limited), 2);
  // The narrow one has bars, the others have none.
  assert.equal(lumaAt(clip.frameAt(50_000), 4, 18), 16);
  assertNear([lumaAt(clip.frameAt(100_000), 4, 18)], [limited(250)], 2);
});

Deno.test("idle pictures: names that mean something to FFmpeg are just names", async () => {
  await using files = new IdleFiles();
  const white = encodePng({ width: 16, height: 16 }, () => [255, 255, 255]);
  const black = encodePng({ width: 16, height: 16 }, () => [0, 0, 0]);
  await files.write("a1.png", black);
  for (const name of ["a%d.png", "http:b.png", "concat:c|d.png", "e f'\\n.png"]) {
    const frame = await files.firstPicture(await files.write(name, white), {
      width: 16,
      height: 16,
    });
    assert.equal(lumaAt(frame, 8, 8), 235, name);
  }
});
