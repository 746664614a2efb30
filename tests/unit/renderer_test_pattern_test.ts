import { readBlockCode } from "../support/media/block_code.ts";
import assert from "assert";
import { Buffer } from "node:buffer";
import type { Clock } from "../../src/base/clock.ts";
import type { FrameSource, RawFrame } from "../../src/media/frame.ts";
import { blockCodeArea } from "../../src/renderer/block_code.ts";
import { createTestPattern } from "../../src/renderer/test_pattern.ts";
import { rgbaFromFrame } from "../support/media/picture.ts";

const WALL_MS = 1_790_000_000_000.75;
const CLOCK: Clock = { now: () => 0, wallMs: () => WALL_MS, after: () => () => {} };

async function openPattern([width, height]: readonly [number, number]): Promise<FrameSource> {
  const factory = createTestPattern({ clock: CLOCK });
  return await factory.open({ sessionId: "test", width, height, fps: 30, params: {} });
}

async function frameAt(source: FrameSource, timestampUs: number): Promise<RawFrame> {
  const result = await source.render(timestampUs);
  assert(result.status === "frame");
  assert(result.frame.kind === "raw", result.frame.kind);
  return result.frame;
}

/** A copy of all bytes of a frame, without those of the block code. */
function bytesOf(frame: RawFrame): Buffer {
  const [y, u, v] = frame.planes.map((plane) => plane.data.slice());
  assert(y !== undefined && u !== undefined && v !== undefined);
  const area = blockCodeArea(frame);
  for (let row = 0; row < area.height; row++) {
    y.fill(0, row * frame.width, row * frame.width + area.width);
  }
  return Buffer.concat([y, u, v]);
}

function lumaAt(frame: RawFrame, { x, y }: { x: number; y: number }): number | undefined {
  return frame.planes[0]
    ?.data[Math.floor(y * frame.height) * frame.width + Math.floor(x * frame.width)];
}

Deno.test("createTestPattern: frames are I420 of the session's size and carry the time asked for", async () => {
  const frame = await frameAt(await openPattern([640, 360]), 123_456);
  const { format, width, height, timestampUs } = frame;
  assert.deepEqual({ format, width, height, timestampUs }, {
    format: "i420",
    width: 640,
    height: 360,
    timestampUs: 123_456,
  });
  assert.deepEqual(frame.planes.map((p) => [p.data.length, p.strideBytes]), [
    [640 * 360, 640],
    [320 * 180, 320],
    [320 * 180, 320],
  ]);
});

Deno.test("createTestPattern: the block code counts the frames and has the clock's time", async () => {
  for (const size of [[160, 120], [512, 512], [1280, 720]] as const) {
    const source = await openPattern(size);
    for (let frameNumber = 0; frameNumber < 3; frameNumber++) {
      const code = readBlockCode(rgbaFromFrame(await frameAt(source, frameNumber * 33_333)));
      assert.deepEqual(code, { frameNumber, sentAtMs: Math.floor(WALL_MS) });
    }
  }
});

Deno.test("createTestPattern: a picture depends on its timestamp alone, not on those before it", async () => {
  const travelled = await openPattern([320, 180]);
  for (let step = 0; step < 100; step++) await frameAt(travelled, step * 33_333);
  for (const timestampUs of [3_400_000, 3_450_000, 7_777_777]) {
    const fresh = await frameAt(await openPattern([320, 180]), timestampUs);
    assert.ok(bytesOf(await frameAt(travelled, timestampUs)).equals(bytesOf(fresh)));
  }
});

Deno.test("createTestPattern: something moves from every frame to the next", async () => {
  const source = await openPattern([640, 360]);
  let last = bytesOf(await frameAt(source, 0));
  for (let step = 1; step < 60; step++) {
    const next = bytesOf(await frameAt(source, step * 33_333));
    assert.ok(!next.equals(last), `step ${step}`);
    last = next;
  }
});

Deno.test("createTestPattern: a frame stays as it is while the next one is drawn", async () => {
  const source = await openPattern([320, 180]);
  const frame = await frameAt(source, 0);
  const before = bytesOf(frame);
  await frameAt(source, 500_000);
  assert.ok(bytesOf(frame).equals(before));
});

Deno.test("createTestPattern: the corner flashes for the first 100 ms of each second", async () => {
  const source = await openPattern([640, 360]);
  const corner = async (timestampUs: number) =>
    lumaAt(await frameAt(source, timestampUs), { x: 0.9, y: 0.9 });
  for (const second of [0, 1_000_000, 59_000_000]) {
    assert.equal(await corner(second), 235);
    assert.equal(await corner(second + 97_999), 235);
    assert.equal(await corner(second + 98_000), 16);
    assert.equal(await corner(second + 997_999), 16);
    assert.equal(await corner(second + 998_000), 235, "a timer that fires early misses no flash");
  }
});

Deno.test("createTestPattern: the bars have the colours of the standard at 75 %", async () => {
  const image = rgbaFromFrame(await frameAt(await openPattern([1280, 720]), 0));
  const expected = [[1, 1, 1], [1, 1, 0], [0, 1, 1], [0, 1, 0], [1, 0, 1], [1, 0, 0], [0, 0, 1]];
  expected.forEach((color, bar) => {
    const at = (460 * image.width + Math.floor((bar + 0.5) * image.width / 7)) * 4;
    const got = [...image.data.subarray(at, at + 3)];
    got.forEach((value, channel) => {
      const wanted = (color[channel] ?? 0) * 0.75 * 255;
      assert.ok(Math.abs(value - wanted) <= 3, `bar ${bar}: ${got}`);
    });
  });
});

Deno.test("createTestPattern: draws at any even size", async () => {
  for (const size of [[2, 2], [16, 16], [64, 1080], [1920, 64], [642, 362]] as const) {
    const source = await openPattern(size);
    for (let step = 0; step < 20; step++) await frameAt(source, step * 250_000);
  }
});
