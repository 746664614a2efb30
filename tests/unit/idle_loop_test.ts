import assert from "assert";
import { Loop, loopPictures, thereAndBack } from "../../src/media/idle/clip.ts";
import type { Recording } from "../../src/media/idle/picture_recorder.ts";
import type { RawFrame } from "../../src/media/frame.ts";

function recordingOf(startsUs: number[], options: Partial<Recording<RawFrame>>) {
  const pictures = startsUs.map((timestampUs): RawFrame => ({
    kind: "raw",
    format: "i420",
    width: 2,
    height: 2,
    planes: [],
    timestampUs,
  }));
  return { pictures, startsUs, durationUs: 0, step: 1, cut: false, ...options };
}

Deno.test("Loop: shows the last picture that has begun", () => {
  const loop = new Loop({ startsUs: [0, 10, 40], durationUs: 50 });
  const shown = [0, 9, 10, 39, 40, 49].map((us) => loop.indexAt(us));
  assert.deepEqual(shown, [0, 0, 1, 1, 2, 2]);
});

Deno.test("Loop: goes round without end, also before its start", () => {
  const loop = new Loop({ startsUs: [0, 10, 40], durationUs: 50 });
  assert.equal(loop.indexAt(50), 0);
  assert.equal(loop.indexAt(50 * 1e9 + 12), 1);
  assert.equal(loop.indexAt(-1), 2);
  assert.equal(loop.indexAt(-50), 0);
});

Deno.test("Loop: finds each of many pictures", () => {
  const startsUs = Array.from({ length: 1000 }, (_, index) => index * index);
  const loop = new Loop({ startsUs, durationUs: 1e6 });
  startsUs.forEach((us, index) => assert.equal(loop.indexAt(us), index));
});

Deno.test("thereAndBack: shows no end twice and keeps the distances", () => {
  assert.deepEqual(thereAndBack([0, 10, 40, 60]), {
    order: [0, 1, 2, 3, 2, 1],
    startsUs: [0, 10, 40, 60, 80, 110],
    durationUs: 120,
  });
});

Deno.test("loopPictures: a loop of the session's rate shows each picture once, though the clock jitters", () => {
  const recording = recordingOf([0, 40_000, 80_000, 120_000], { durationUs: 160_000 });
  const { still, frameAt } = loopPictures(recording, { fps: 25 });
  const asked = [0, 58_000, 61_000, 138_000, 150_000, 219_000];
  assert.ok(!still);
  assert.deepEqual(asked.map((us) => frameAt(us).timestampUs), [
    0,
    40_000,
    80_000,
    120_000,
    0,
    40_000,
  ]);
});

Deno.test("loopPictures: long pictures keep their own lengths", () => {
  const recording = recordingOf([0, 4_000_000], { durationUs: 5_000_000 });
  const { frameAt } = loopPictures(recording, { fps: 30 });
  assert.equal(frameAt(3_980_000).timestampUs, 0);
  assert.equal(frameAt(3_990_000).timestampUs, 4_000_000);
  assert.equal(frameAt(4_980_000).timestampUs, 4_000_000);
  assert.equal(frameAt(4_990_000).timestampUs, 0);
});

Deno.test("loopPictures: a recording that was cut plays there and back", () => {
  const recording = recordingOf([0, 100_000, 200_000], { durationUs: 300_000, cut: true });
  const { frameAt } = loopPictures(recording, { fps: 100 });
  const shown = [0, 100_000, 200_000, 300_000, 400_000].map((us) => frameAt(us).timestampUs);
  assert.deepEqual(shown, [0, 100_000, 200_000, 100_000, 0]);
});

Deno.test("loopPictures: one picture is still", () => {
  const { still, frameAt } = loopPictures(recordingOf([0], { durationUs: 40_000 }), { fps: 30 });
  assert.ok(still);
  assert.equal(frameAt(1e9), frameAt(0));
});
