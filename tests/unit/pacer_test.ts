import assert from "assert";
import { Pacer } from "../../src/session/frame_loop.ts";
import { Random } from "../support/random.ts";

Deno.test("Pacer: work of any length below one interval leaves the frames where they are due", () => {
  const pacer = new Pacer({ intervalMs: 40, startMs: 1_000 });
  assert.deepEqual(pacer.next(1_010), { waitMs: 30, skipped: 0 });
  assert.deepEqual(pacer.next(1_079), { waitMs: 1, skipped: 0 });
  assert.deepEqual(pacer.next(1_080), { waitMs: 40, skipped: 0 });
});

Deno.test("Pacer: less than one interval late is caught up at once", () => {
  const pacer = new Pacer({ intervalMs: 40, startMs: 0 });
  assert.deepEqual(pacer.next(79), { waitMs: 0, skipped: 0 });
  assert.deepEqual(pacer.next(81), { waitMs: 0, skipped: 0 });
  assert.deepEqual(pacer.next(85), { waitMs: 35, skipped: 0 }, "back in step");
});

Deno.test("Pacer: what is later than that is skipped, never made up for", () => {
  const pacer = new Pacer({ intervalMs: 40, startMs: 0 });
  assert.deepEqual(pacer.next(1_000), { waitMs: 0, skipped: 24 });
  assert.deepEqual(pacer.next(1_001), { waitMs: 39, skipped: 0 });
});

Deno.test("Pacer: the rate holds for an hour, without drift from thirds of a millisecond", () => {
  const pacer = new Pacer({ intervalMs: 1000 / 30, startMs: 0 });
  let nowMs = 0;
  for (let frame = 0; frame < 30 * 3_600; frame++) nowMs += pacer.next(nowMs).waitMs;
  assert.ok(Math.abs(nowMs - 3_600_000) < 1, `${nowMs} ms`);
});

Deno.test("Pacer: whatever happens, frames sent and frames skipped add up to the time that passed", () => {
  const random = new Random(30);
  const pacer = new Pacer({ intervalMs: 10, startMs: 0 });
  let nowMs = 0;
  let frames = 0;
  for (let turn = 0; turn < 3_000; turn++) {
    nowMs += random.oneIn(10) ? random.below(200) : random.below(12);
    const { waitMs, skipped } = pacer.next(nowMs);
    assert.ok(waitMs >= 0 && waitMs <= 10 && skipped >= 0);
    nowMs += waitMs;
    frames += 1 + skipped;
    assert.ok(nowMs / 10 - frames < 1, `${frames} frames by ${nowMs} ms`);
    assert.ok(frames <= nowMs / 10);
  }
});
