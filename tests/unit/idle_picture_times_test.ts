import assert from "assert";
import { PictureTimes, type StreamTimes } from "../../src/media/idle/picture_times.ts";

const S = 1_000_000;
const MS = 1000;

/** Gives timestamps in milliseconds to a stream; `undefined` ones are missing. */
function play(
  stampsMs: readonly (number | undefined)[],
  { stream = {}, durationMs = () => 0 }: {
    stream?: StreamTimes;
    durationMs?: (index: number) => number;
  } = {},
) {
  const jumpsUs: number[] = [];
  const times = new PictureTimes(stream, (jumpUs) => jumpsUs.push(jumpUs));
  const pictures = stampsMs.map((stampMs, index) =>
    times.next({
      stampUs: stampMs === undefined ? undefined : stampMs * MS,
      durationUs: durationMs(index) * MS,
    })
  );
  const startsMs = pictures.map(({ startUs }) => Math.round(startUs / MS));
  return { startsMs, endMs: Math.round((pictures.at(-1)?.endUs ?? 0) / MS), jumpsUs };
}

/** A hundred pictures, 40 ms apart, whose clock is set by `byMs` before picture `at`. */
function jumping(at: number, byMs: number): number[] {
  return Array.from({ length: 100 }, (_, index) => index * 40 + (index < at ? 0 : byMs));
}

const REGULAR = Array.from({ length: 100 }, (_, index) => index * 40);

Deno.test("PictureTimes: a clock that jumps ahead or back leaves the pictures where they were", () => {
  const hour = 3_600_000;
  for (const byMs of [hour, -hour, 100_000, -2000, 26.5 * hour, -26.5 * hour]) {
    for (const at of [1, 50, 99]) {
      // As FFmpeg computes the average, over the jump.
      const intervalUs = (4000 + Math.max(0, byMs)) * MS / 100;
      const { startsMs, endMs, jumpsUs } = play(jumping(at, byMs), { stream: { intervalUs } });
      const off = startsMs.map((start, index) => Math.abs(start - (REGULAR[index] ?? 0)));
      // The picture before a jump at the very beginning has the average's length, where that is all that is known.
      const allowed = at === 1 ? intervalUs / MS : 0;
      assert.ok(Math.max(...off) <= allowed, `by ${byMs} at ${at}: ${Math.max(...off)} ms off`);
      if (at > 1) assert.equal(endMs, 4000);
      assert.equal(jumpsUs.length, 1);
    }
  }
});

Deno.test("PictureTimes: a picture whose own length is that of a jump has the usual one", () => {
  const hour = 3_600_000;
  const durationMs = (index: number) => index === 49 || index === 99 ? hour : 40;
  const { startsMs, endMs } = play(jumping(50, hour - 40), { durationMs });
  assert.deepEqual(startsMs, REGULAR);
  assert.equal(endMs, 4000);
});

Deno.test("PictureTimes: clocks that begin below or far above zero begin at zero", () => {
  for (const originMs of [-5000, -80, 95_443_717]) {
    const { startsMs, jumpsUs } = play(REGULAR.map((ms) => ms + originMs));
    assert.deepEqual(startsMs, REGULAR);
    assert.deepEqual(jumpsUs, []);
  }
});

Deno.test("PictureTimes: uneven times are kept, with pauses of seconds and slides of minutes", () => {
  const uneven = [0, 40, 80, 10_080, 10_120, 35_000];
  assert.deepEqual(play(uneven).startsMs, uneven);
  const slides = [0, 90_000, 180_000, 270_000];
  const stream = { intervalUs: 90 * S };
  assert.deepEqual(play(slides, { stream }), { startsMs: slides, endMs: 360_000, jumpsUs: [] });
});

Deno.test("PictureTimes: times that are missing, or the same, follow each other", () => {
  const none = Array.from({ length: 4 }, () => undefined);
  assert.deepEqual(play(none, { stream: { intervalUs: 50 * MS } }).startsMs, [0, 50, 100, 150]);
  assert.deepEqual(play([0, 40, 40, 120, 100]).startsMs, [0, 40, 80, 120, 160]);
  assert.deepEqual(play([0, undefined, 80, undefined]).startsMs, [0, 40, 80, 120]);
});

Deno.test("PictureTimes: the stream's end is that of its last picture", () => {
  const stream = { intervalUs: 40 * MS, endUs: 1110 * MS };
  const { endMs } = play([1000, 1040, 1080], { stream, durationMs: () => 40 });
  assert.equal(endMs, 110);
});
