import assert from "assert";
import { PictureRecorder } from "../../src/media/idle/picture_recorder.ts";

/** Room for so many pictures. */
function roomFor(picturesMax: number) {
  let used = 0;
  let most = 0;
  return {
    reserve: () => {
      if (used === picturesMax) return false;
      used += 1;
      most = Math.max(most, used);
      return true;
    },
    free: (pictures: number) => void (used -= pictures),
    get used() {
      return used;
    },
    get most() {
      return most;
    },
  };
}

/** Records a source of `count` pictures that are their own numbers. */
function record(
  { count, perSecond, picturesMax }: { count: number; perSecond: number; picturesMax: number },
) {
  const room = roomFor(picturesMax);
  const recorder = new PictureRecorder<number>(room);
  let offered = 0;
  for (let index = 0; index < count; index++) {
    offered += 1;
    if (!recorder.advance((index + 1) * 1e6 / perSecond)) continue;
    if (!recorder.add(index, index * 1e6 / perSecond)) break;
  }
  return { ...recorder.finish(), room, offered };
}

Deno.test("PictureRecorder: keeps everything that fits", () => {
  const { pictures, startsUs, durationUs, step, cut } = record({
    count: 4,
    perSecond: 25,
    picturesMax: 4,
  });
  assert.deepEqual(pictures, [0, 1, 2, 3]);
  assert.deepEqual(startsUs, [0, 40_000, 80_000, 120_000]);
  assert.deepEqual({ durationUs, step, cut }, { durationUs: 160_000, step: 1, cut: false });
});

Deno.test("PictureRecorder: gives up every second picture when the room is full, and keeps the length", () => {
  const { pictures, durationUs, step, cut, room } = record({
    count: 13,
    perSecond: 25,
    picturesMax: 7,
  });
  assert.deepEqual(pictures, [0, 2, 4, 6, 8, 10, 12]);
  assert.deepEqual({ durationUs, step, cut }, { durationUs: 520_000, step: 2, cut: false });
  assert.equal(room.used, 7);
});

Deno.test("PictureRecorder: halves as often as it takes, and never needs more than its room", () => {
  for (const picturesMax of [10, 11, 12, 13]) {
    const { pictures, step, cut, room } = record({ count: 57, perSecond: 50, picturesMax });
    assert.equal(step, 8);
    assert.ok(!cut);
    assert.deepEqual(pictures, [0, 8, 16, 24, 32, 40, 48, 56]);
    assert.equal(room.most, picturesMax);
    assert.equal(room.used, pictures.length);
  }
});

Deno.test("PictureRecorder: is cut rather than shown as slides", () => {
  const { pictures, durationUs, step, cut, offered } = record({
    count: 100_000,
    perSecond: 25,
    picturesMax: 100,
  });
  // 25, 12.5 and 6.25 pictures per second; half of that is below 5.
  assert.equal(step, 4);
  assert.ok(cut);
  assert.equal(pictures.length, 100);
  assert.equal(durationUs, 16_000_000);
  assert.equal(offered, 401);
});

Deno.test("PictureRecorder: with room for one picture it keeps the first", () => {
  const { pictures, room } = record({ count: 500, perSecond: 25, picturesMax: 1 });
  assert.deepEqual(pictures, [0]);
  assert.equal(room.used, 1);
});
