import assert from "assert";
import { readHeifPicture } from "../../src/media/idle/heif.ts";
import { orientationMatrix, readOrientation } from "../../src/media/idle/orientation.ts";
import type { RawFrame } from "../../src/media/frame.ts";
import { IdleFiles } from "../support/media/idle_library.ts";
import { rgbaFromFrame } from "../support/media/picture.ts";

const SIZE = { width: 128, height: 128 };
/** Red, green, blue and nearly white: one tile each, row by row. */
const QUARTERS = [[213, 35, 36], [35, 174, 35], [35, 60, 214], [230, 230, 230]];

function testdata(name: string): Promise<Uint8Array> {
  return Deno.readFile(new URL(`../testdata/idle/${name}`, import.meta.url));
}

/** The colours in the middle of the four quarters, row by row. */
function quartersOf(frame: RawFrame): number[][] {
  const { data } = rgbaFromFrame(frame);
  return [[1, 1], [3, 1], [1, 3], [3, 3]].map(([x = 0, y = 0]) => {
    const at = (frame.width * Math.floor(y * frame.height / 4) + Math.floor(x * frame.width / 4)) *
      4;
    return [...data.subarray(at, at + 3)];
  });
}

function assertQuarters(frame: RawFrame, expected: readonly (readonly number[])[]): void {
  for (const [index, actual] of quartersOf(frame).entries()) {
    actual.forEach((value, channel) => {
      const far = Math.abs(value - (expected[index]?.[channel] ?? NaN));
      assert.ok(far <= 16, `quarter ${index}: [${actual}] is not near [${expected[index]}]`);
    });
  }
}

/** A copy in which the first `from` is `to`. */
function replaced(bytes: Uint8Array, from: readonly number[], to: readonly number[]): Uint8Array {
  const at = bytes.findIndex((_, index) => from.every((value, n) => bytes[index + n] === value));
  assert.ok(at >= 0, "the file has the bytes to be replaced");
  const copy = bytes.slice();
  copy.set(to, at);
  return copy;
}

const letters = (word: string) => [...new TextEncoder().encode(word)];
/** Version, flags, rows and columns less one, 512 × 512. */
const GRID = [0, 0, 1, 1, 2, 0, 2, 0];

for (const name of ["tiles.heic", "tiles.avif"]) {
  Deno.test(`idle pictures: ${name} is shown whole, from all its tiles`, async () => {
    await using files = new IdleFiles();
    const path = await files.write(name, await testdata(name));
    assert.deepEqual(await files.library({ source: path }).check(), []);
    assertQuarters(await files.firstPicture(path, SIZE), QUARTERS);
  });
}

Deno.test("idle pictures: what tiles have beyond the picture is cut off", async () => {
  await using files = new IdleFiles();
  for (const name of ["tiles.heic", "tiles.avif"]) {
    const cut = replaced(await testdata(name), GRID, [0, 0, 1, 1, 1, 128, 1, 0]);
    const frame = await files.firstPicture(await files.write(name, cut), { width: 96, height: 64 });
    // 384 × 256 of 512 × 512: only the upper row is left, and half of its second tile.
    const [red = [], , lower = []] = quartersOf(frame);
    assertQuarters(frame, [
      QUARTERS[0] ?? [],
      QUARTERS[1] ?? [],
      QUARTERS[0] ?? [],
      QUARTERS[1] ?? [],
    ]);
    assert.deepEqual(red, lower);
  }
});

Deno.test("idle check: pictures that are put together in another way, or of too few tiles, are refused", async () => {
  await using files = new IdleFiles();
  const heic = await testdata("tiles.heic");
  const cases = [
    [replaced(heic, letters("grid"), letters("iovl")), /derived from others \("iovl"\)/],
    [
      replaced(heic, GRID, [0, 0, 2, 1, 2, 0, 2, 0]),
      /its grid of 2x3 has 4 tiles|not a readable image or video/,
    ],
    [
      replaced(heic, GRID, [0, 0, 1, 1, 255, 255, 2, 0]),
      /65535x512 pixels are above the limit|not a readable image or video/,
    ],
  ] as const;
  for (const [index, [bytes, words]] of cases.entries()) {
    const path = await files.write(`${index}.heic`, bytes);
    const problems = await files.library({ source: path }).check();
    assert.equal(problems.length, 1);
    assert.match(problems[0]?.reason ?? "", words);
  }
});

Deno.test("readHeifPicture: a file that is cut off anywhere is read or refused, and never more", async () => {
  for (const name of ["tiles.heic", "tiles.avif"]) {
    const bytes = await testdata(name);
    for (let length = 0; length < bytes.byteLength; length += 3) {
      const cut = bytes.subarray(0, length);
      const readAt = (offset: number, count: number) =>
        Promise.resolve(cut.subarray(offset, offset + count));
      await readHeifPicture(readAt).catch((error) => assert.ok(error instanceof RangeError, error));
    }
  }
});

Deno.test("orientationMatrix: a turn and a flip are read as the filters that do them", () => {
  const filters = (turns: number, flip: "none" | "vertical" | "horizontal" = "none") =>
    readOrientation(orientationMatrix({ turns, flip })).filters;
  assert.deepEqual(filters(0), []);
  assert.deepEqual(filters(1), ["transpose=cclock_flip", "vflip"]);
  assert.deepEqual(filters(2), ["hflip", "vflip"]);
  assert.deepEqual(filters(3), ["transpose=cclock_flip", "hflip"]);
  assert.deepEqual(filters(0, "vertical"), ["vflip"]);
  assert.deepEqual(filters(0, "horizontal"), ["hflip"]);
  assert.deepEqual(filters(1, "horizontal"), ["transpose=cclock_flip", "hflip", "vflip"]);
});

/** A box with a length and a type. */
function box(type: string, ...parts: readonly (number | Uint8Array)[]): Uint8Array {
  const payload = parts.flatMap((part) => typeof part === "number" ? [part] : [...part]);
  const length = 8 + payload.length;
  return Uint8Array.of(0, 0, length >> 8, length & 255, ...letters(type), ...payload);
}

Deno.test("readHeifPicture: turns and flips of the grid are those of its own properties", async () => {
  const infe = (id: number, type: string) =>
    box("infe", 2, 0, 0, 0, 0, id, 0, 0, ...letters(type), 0);
  const full = [0, 0, 0, 0];
  const file = new Uint8Array(
    await new Blob([
      box("ftyp", ...letters("heic")).slice(),
      box(
        "meta",
        ...full,
        box("pitm", ...full, 0, 9),
        box("iinf", ...full, 0, 3, infe(9, "grid"), infe(1, "hvc1"), infe(2, "hvc1")),
        box("iref", ...full, box("dimg", 0, 9, 0, 2, 0, 1, 0, 2)),
        box(
          "iprp",
          box("ipco", box("ispe", ...full, 0, 0, 0, 0), box("irot", 3), box("imir", 1)),
          box("ipma", ...full, 0, 0, 0, 2, 0, 1, 1, 1, 0, 9, 3, 1, 0x82, 0x83),
        ),
        // In `idat`: construction method 1, no base, offsets and lengths of four bytes.
        box("iloc", 1, 0, 0, 0, 0x44, 0, 0, 1, 0, 9, 0, 1, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 8),
        box("idat", 0, 0, 0, 1, 3, 0, 1, 0),
      ).slice(),
    ]).arrayBuffer(),
  );
  const readAt = (offset: number, count: number) =>
    Promise.resolve(file.subarray(offset, offset + count));
  const grid = { tiles: [1, 2], columns: 2, width: 768, height: 256, turns: 3, flip: "horizontal" };
  assert.deepEqual(await readHeifPicture(readAt), { type: "grid", grid });
});
