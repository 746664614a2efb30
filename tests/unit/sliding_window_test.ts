import assert from "assert";
import { SlidingLeast, SlidingSum } from "../../src/rate/sliding_window.ts";

Deno.test("SlidingSum: what came within the window is in the sum, to the millisecond where it leaves", () => {
  const sum = new SlidingSum({ windowMs: 100, buckets: 10 });
  assert.equal(sum.at(0), 0);
  sum.add(1, 1_000);
  sum.add(2, 1_009.9);
  sum.add(4, 1_010);
  assert.equal(sum.at(1_010), 7);
  assert.equal(sum.at(1_099.9), 7);
  assert.equal(sum.at(1_100), 4, "a bucket at a time");
  assert.equal(sum.at(1_109.9), 4);
  assert.equal(sum.at(1_110), 0);
});

Deno.test("SlidingSum: nothing is left after a long pause, however often the buckets have turned", () => {
  const sum = new SlidingSum({ windowMs: 100, buckets: 10 });
  let nowMs = 0;
  for (let pauseMs = 100; pauseMs < 1e12; pauseMs *= 7) {
    for (let at = 0; at < 10; at++) sum.add(1, nowMs + at * 10);
    assert.equal(sum.at(nowMs + 90), 10);
    nowMs += 90 + pauseMs;
    assert.equal(sum.at(nowMs), 0);
  }
});

Deno.test("SlidingSum: what is late counts as the newest, and times before zero as zero", () => {
  const sum = new SlidingSum({ windowMs: 100, buckets: 10 });
  sum.add(1, -5_000);
  assert.equal(sum.at(-1), 1);
  assert.equal(sum.at(99), 1);
  sum.add(2, 500);
  sum.add(4, 300);
  assert.equal(sum.at(590), 6);
  assert.equal(sum.at(600), 0);
});

Deno.test("SlidingLeast: the least is remembered for the window, and then forgotten", () => {
  const least = new SlidingLeast({ windowMs: 60, buckets: 6 });
  assert.equal(least.value, Number.POSITIVE_INFINITY);
  least.add(1, 0);
  for (let nowMs = 1; nowMs < 60; nowMs++) {
    least.add(5, nowMs);
    assert.equal(least.value, 1, `${nowMs}`);
  }
  least.add(5, 60);
  assert.equal(least.value, 5);
});

Deno.test("SlidingLeast: a new least counts at once, negative ones too", () => {
  const least = new SlidingLeast({ windowMs: 60, buckets: 6 });
  for (const [at, value] of [7, 3, -2, 0, -9.5].entries()) least.add(value, at);
  assert.equal(least.value, -9.5);
  least.add(4, 1_000);
  assert.equal(least.value, -9.5, "only what comes after it makes it old");
  for (let nowMs = 1_010; nowMs <= 1_050; nowMs += 10) least.add(4, nowMs);
  assert.equal(least.value, 4);
});
