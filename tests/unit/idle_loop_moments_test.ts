import assert from "assert";
import { loopPictures } from "../../src/media/idle/clip.ts";
import { EncodedLoop } from "../../src/media/idle/encoded_loop.ts";
import { roundOf } from "../../src/media/idle/loop_moments.ts";
import { loopRates } from "../../src/media/idle/loop_rates.ts";
import { rawFrame } from "../support/parts/fake_source.ts";

/** A clip of so many pictures a second, each of which says when it begins. */
function movingClip({ perSecond, seconds, fps }: {
  perSecond: number;
  seconds: number;
  fps: number;
}) {
  const startsUs = Array.from(
    { length: perSecond * seconds },
    (_, index) => index * 1e6 / perSecond,
  );
  const pictures = startsUs.map((startUs) => rawFrame(startUs));
  const durationUs = seconds * 1e6;
  return loopPictures({ pictures, startsUs, durationUs, step: 1, cut: false }, { fps });
}

function unitsOf(sizes: readonly number[], { everyUs }: { everyUs: number }) {
  return sizes.map((size, index) => ({
    data: new Uint8Array(size),
    keyframe: index === 0,
    startUs: index * everyUs,
  }));
}

Deno.test("roundOf: each picture once, at the session's own times, with a keyframe each second", () => {
  const fps = 25;
  const round = roundOf(movingClip({ perSecond: 25, seconds: 3, fps }), { fps });
  assert.deepEqual([round.still, round.moments.length, round.durationUs], [false, 75, 3e6]);
  assert.deepEqual(
    round.moments.map(({ picture: { timestampUs } }) => timestampUs),
    round.moments.map(({ startUs }) => startUs),
  );
  const keyframes = round.moments.filter(({ keyframe }) => keyframe);
  assert.deepEqual(keyframes.map(({ startUs }) => startUs), [0, 1e6, 2e6]);
});

Deno.test("roundOf: of a loop that is faster than the session, what it shows; a slower one has no picture twice", () => {
  const fast = roundOf(movingClip({ perSecond: 60, seconds: 4, fps: 30 }), { fps: 30 });
  assert.equal(fast.moments.length, 120);
  const slow = roundOf(movingClip({ perSecond: 5, seconds: 4, fps: 30 }), { fps: 30 });
  assert.equal(slow.moments.length, 20);
  assert.equal(slow.durationUs, 4e6);
});

Deno.test("roundOf: a length that is no whole number of frames ends with the nearest", () => {
  const picture = (startUs: number) => rawFrame(startUs);
  const clip = { still: false, durationUs: 4_010_000, frameAt: picture };
  const round = roundOf(clip, { fps: 25 });
  assert.deepEqual([round.moments.length, round.durationUs], [100, 4e6]);
});

Deno.test("roundOf: a short loop goes round several times, so that keyframes are as far apart as in a long one", () => {
  const round = roundOf(movingClip({ perSecond: 10, seconds: 2, fps: 10 }), { fps: 10 });
  assert.deepEqual([round.moments.length, round.durationUs], [40, 4e6]);
  const short = { still: false, durationUs: 400_000, frameAt: (us: number) => rawFrame(us) };
  const { moments, durationUs } = roundOf(short, { fps: 10 });
  assert.deepEqual([moments.length, durationUs], [32, 3_200_000]);
  assert.deepEqual(
    moments.slice(3, 6).map(({ picture: { timestampUs } }) => timestampUs),
    [300_000, 0, 100_000],
  );
  const keyframes = moments.filter(({ keyframe }) => keyframe).map(({ startUs }) => startUs / 1e6);
  assert.deepEqual(keyframes, [0, 0.8, 1.6, 2.4]);
});

Deno.test("roundOf: a still is refreshed each second, with two keyframes far apart", () => {
  const clip = { still: true, durationUs: 1e6, frameAt: () => rawFrame(0) };
  const { still, moments, durationUs } = roundOf(clip, { fps: 30 });
  assert.ok(still);
  assert.equal(durationUs, moments.length * 1e6);
  const keyframes = moments.filter(({ keyframe }) => keyframe).map(({ startUs }) => startUs);
  assert.deepEqual(keyframes, [0, durationUs / 2]);
});

Deno.test("EncodedLoop: numbers go on through the rounds", () => {
  const loop = new EncodedLoop(unitsOf([9, 1, 1, 1], { everyUs: 40_000 }), {
    still: false,
    durationUs: 160_000,
    fps: 25,
  });
  const asked = [0, 19_000, 21_000, 139_000, 141_000, 160_000, 1_600_000];
  assert.deepEqual(asked.map((us) => loop.numberAt(us)), [0, 0, 1, 3, 4, 4, 40]);
  assert.deepEqual([loop.startUsOf(5), loop.unit(5).startUs], [200_000, 40_000]);
  assert.deepEqual([loop.keyframeFrom(5), loop.keyframeFrom(8), loop.keyframeUpTo(7)], [8, 8, 4]);
});

Deno.test("EncodedLoop.neededKbps: the second that takes most, also across the seam, or the largest picture", () => {
  const options = { still: false, durationUs: 3e6, fps: 1 };
  const of = (sizes: number[]) =>
    new EncodedLoop(unitsOf(sizes, { everyUs: 3e6 / sizes.length }), options).neededKbps;
  assert.equal(of([1000, 1000, 1000, 1000, 1000, 1000]), 32, "a keyframe may take 0.25 s");
  assert.equal(of([1000, 0, 0, 0, 0, 1000]), 32);
  const many = Array.from({ length: 300 }, (_, index) => index < 50 || index >= 250 ? 100 : 1);
  assert.equal(of(many), 80, "half a second before the seam and half behind it");
});

Deno.test("EncodedLoop: must begin with a keyframe", () => {
  const units = unitsOf([1, 1], { everyUs: 1 }).map((unit) => ({ ...unit, keyframe: false }));
  const options = { still: false, durationUs: 2, fps: 25 };
  assert.throws(() => new EncodedLoop(units, options), RangeError);
});

Deno.test("loopRates: from the ceiling down, each half above the next", () => {
  const rates = loopRates(2500);
  assert.deepEqual(rates.slice(0, 3).map(Math.round), [2500, 1667, 1111]);
  assert.ok((rates.at(-1) ?? 0) >= 60 && rates.length === 10);
  assert.deepEqual(loopRates(50), [50]);
});
