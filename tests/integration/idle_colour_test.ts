import assert from "assert";
import { fileURLToPath } from "node:url";
import {
  AVCOL_RANGE_JPEG,
  AVCOL_RANGE_MPEG,
  AVCOL_SPC_BT2020_NCL,
  AVCOL_SPC_BT470BG,
  AVCOL_SPC_BT709,
  AVCOL_SPC_SMPTE170M,
} from "node-av/constants";
import type { RawFrame } from "../../src/media/frame.ts";
import { IdleFiles } from "../support/media/idle_library.ts";
import { type Color, encodePng, writeColourVideo } from "../support/media/idle_media.ts";
import { rgbaFromFrame } from "../support/media/picture.ts";

const SIZE = { width: 320, height: 180 };

/** Colours as they are meant to be seen, in the pictures of this test from left to right. */
const WHITE = [255, 255, 255];
const SKIN = [224, 172, 138];
const RED = [200, 40, 40];
const GREY = [128, 128, 128];

function testdata(name: string): string {
  return fileURLToPath(new URL(`../testdata/idle/${name}`, import.meta.url));
}

function assertShows(frame: RawFrame, colours: readonly (readonly number[])[], within = 8): void {
  const { data } = rgbaFromFrame(frame);
  colours.forEach((expected, index) => {
    const x = Math.floor((index + 0.5) * frame.width / colours.length);
    const at = (frame.width * Math.floor(frame.height / 2) + x) * 4;
    const actual = [...data.subarray(at, at + 3)];
    const far = Math.max(
      ...actual.map((value, channel) => Math.abs(value - (expected[channel] ?? 0))),
    );
    assert.ok(far <= within, `[${actual}] is not near [${expected}]`);
  });
}

/** sRGB to light, 0 to 1 (IEC 61966-2-1). */
function lightOf(value: number): number {
  const part = value / 255;
  return part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
}

/** The primaries of BT.709 in those of BT.2020 (ITU-R BT.2087). */
function toBt2020([r = 0, g = 0, b = 0]: readonly number[]): [number, number, number] {
  return [
    0.6274 * r + 0.3293 * g + 0.0433 * b,
    0.0691 * r + 0.9195 * g + 0.0114 * b,
    0.0164 * r + 0.088 * g + 0.8956 * b,
  ];
}

/** PQ (SMPTE ST 2084), 0 to 255, for light of which 1 is white paper. */
function pqOf(light: number): number {
  const y = (light * 203 / 10_000) ** 0.1593017578125;
  return 255 * ((0.8359375 + 18.8515625 * y) / (1 + 18.6875 * y)) ** 78.84375;
}

/** A PNG of four colours whose cICP chunk says what its numbers mean. */
function taggedPng(
  { primaries, transfer }: { primaries: number; transfer: number },
  encode: (colour: readonly number[]) => readonly number[],
): Uint8Array {
  const columns = [WHITE, SKIN, RED, GREY].map((colour) => encode(colour).map(Math.round));
  const colorAt = (x: number) => (columns[Math.floor(x / 16)] ?? [0, 0, 0]) as unknown as Color;
  const tags = Uint8Array.of(primaries, transfer, 0, 1);
  return encodePng({ width: 64, height: 36 }, colorAt, { cICP: tags });
}

Deno.test("idle pictures: an HLG video has its white and its colours", async () => {
  await using files = new IdleFiles();
  const frame = await files.firstPicture(testdata("hlg.mp4"), SIZE);
  assertShows(frame, [WHITE, SKIN, RED, GREY]);
});

Deno.test("idle pictures: a PQ picture has its white and its colours, and light above white stays white", async () => {
  await using files = new IdleFiles();
  const pq = (scale: number) => (colour: readonly number[]) =>
    toBt2020(colour.map(lightOf)).map((light) => pqOf(light * scale));
  const tags = { primaries: 9, transfer: 16 };
  const paper = await files.write("paper.png", taggedPng(tags, pq(1)));
  assertShows(await files.firstPicture(paper, SIZE), [WHITE, SKIN, RED, GREY]);
  const bright = await files.write("bright.png", taggedPng(tags, pq(4)));
  const { data } = rgbaFromFrame(await files.firstPicture(bright, SIZE));
  assert.ok([...data.subarray(40 * 4, 40 * 4 + 3)].every((value) => value > 245));
});

Deno.test("idle pictures: SDR in BT.2020 is not pale", async () => {
  await using files = new IdleFiles();
  const encode = (colour: readonly number[]) =>
    toBt2020(colour.map(lightOf)).map((light) =>
      255 * (light <= 0.0031308 ? 12.92 * light : 1.055 * light ** (1 / 2.4) - 0.055)
    );
  const png = await files.write("sdr.png", taggedPng({ primaries: 9, transfer: 13 }, encode));
  assertShows(await files.firstPicture(png, SIZE), [WHITE, SKIN, RED, GREY]);
});

Deno.test("idle pictures: tags that change nothing change nothing", async () => {
  await using files = new IdleFiles();
  for (const [primaries, transfer] of [[1, 13], [1, 1], [2, 2]] as const) {
    const png = taggedPng({ primaries, transfer }, (colour) => colour);
    const path = await files.write(`${primaries}-${transfer}.png`, png);
    assertShows(await files.firstPicture(path, SIZE), [WHITE, SKIN, RED, GREY], 3);
  }
});

/** Luma and chroma of a colour, 0 to 255, by the weights of red and blue in luma. */
function yuvOf(
  [r = 0, g = 0, b = 0]: readonly number[],
  { kr, kb, full }: { kr: number; kb: number; full: boolean },
): [number, number, number] {
  const y = kr * r + (1 - kr - kb) * g + kb * b;
  const [u, v] = [(b - y) / (2 - 2 * kb), (r - y) / (2 - 2 * kr)];
  const [luma, chroma] = full ? [y, 1] : [16 + y * 219 / 255, 224 / 255];
  return [Math.round(luma), Math.round(128 + u * chroma), Math.round(128 + v * chroma)];
}

Deno.test("idle pictures: videos of each matrix and range have their colours", async () => {
  await using files = new IdleFiles();
  const matrices = [
    { matrix: AVCOL_SPC_BT709, kr: 0.2126, kb: 0.0722 },
    { matrix: AVCOL_SPC_SMPTE170M, kr: 0.299, kb: 0.114 },
    { matrix: AVCOL_SPC_BT470BG, kr: 0.299, kb: 0.114 },
    { matrix: AVCOL_SPC_BT2020_NCL, kr: 0.2627, kb: 0.0593 },
  ];
  for (const range of [AVCOL_RANGE_MPEG, AVCOL_RANGE_JPEG]) {
    for (const { matrix, ...weights } of matrices) {
      for (const colour of [WHITE, SKIN, RED]) {
        const yuv = yuvOf(colour, { ...weights, full: range === AVCOL_RANGE_JPEG });
        const path = files.path(`${range}-${matrix}-${colour}.mp4`);
        await writeColourVideo(path, { yuv, range, matrix });
        assertShows(await files.firstPicture(path, { width: 64, height: 64 }), [colour], 6);
      }
    }
  }
});

Deno.test("idle pictures: a WebM with alpha shows black where it is transparent", async () => {
  await using files = new IdleFiles();
  const frame = await files.firstPicture(testdata("alpha.webm"), SIZE);
  assertShows(frame, [[0, 0, 0], RED, [0, 0, 0]]);
});
