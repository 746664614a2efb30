import assert from "assert";
import { takeFromAll, TokenBucket } from "../../src/base/token_bucket.ts";
import { Random } from "../support/random.ts";

/** How many of so many single tokens are there at one moment. */
function available(bucket: TokenBucket, nowMs: number, count = 100_000): number {
  let taken = 0;
  while (taken < count && bucket.take(nowMs)) taken++;
  return taken;
}

Deno.test("TokenBucket: a burst, then the rate, and a rest saves up no more than a burst", () => {
  const bucket = new TokenBucket({ perSecond: 120, burst: 240 });
  assert.equal(available(bucket, 0), 240);
  assert.equal(available(bucket, 1_000), 120);
  assert.equal(available(bucket, 1_000), 0);
  assert.equal(available(bucket, 3_600_000), 240);
});

Deno.test("TokenBucket: the burst is one second's worth unless told", () => {
  assert.equal(available(new TokenBucket({ perSecond: 4 }), 12.5), 4);
});

Deno.test("TokenBucket.waitMs: after it there is a token, a millisecond before there is none", () => {
  for (const perSecond of [1 / 5, 1, 3, 20, 120]) {
    const bucket = new TokenBucket({ perSecond, burst: 3 });
    assert.equal(available(bucket, 77), 3);
    const waitMs = bucket.waitMs(77);
    assert.equal(waitMs, Math.ceil(1000 / perSecond));
    assert.ok(!bucket.take(77 + waitMs - 1), `${perSecond} a second`);
    assert.ok(bucket.take(77 + waitMs), `${perSecond} a second`);
  }
});

Deno.test("TokenBucket: asking takes nothing, and asking often loses nothing to rounding", () => {
  const bucket = new TokenBucket({ perSecond: 1 / 5, burst: 3 });
  assert.equal(available(bucket, 0), 3);
  for (let nowMs = 0; nowMs < 4_999; nowMs += 33.3) assert.ok(!bucket.take(nowMs));
  assert.ok(bucket.take(5_000));
});

Deno.test("TokenBucket: several are taken whole or not at all, and never more than it holds", () => {
  const bucket = new TokenBucket({ perSecond: 10, burst: 100 });
  assert.ok(bucket.take(0, 60));
  assert.ok(!bucket.take(0, 41));
  assert.equal(bucket.waitMs(0, 41), 100);
  assert.ok(bucket.take(0, 40));
  assert.equal(bucket.waitMs(0, 101), Infinity);
  assert.ok(!bucket.take(1e9, 101));
});

Deno.test("TokenBucket.giveBack: a token is there again, and giving back fills no bucket over", () => {
  const bucket = new TokenBucket({ perSecond: 1, burst: 2 });
  assert.equal(available(bucket, 0), 2);
  bucket.giveBack();
  assert.equal(available(bucket, 0), 1);
  bucket.giveBack(50);
  assert.equal(available(bucket, 0), 2);
});

Deno.test("TokenBucket.isFull: before the first is taken, and when the last is back", () => {
  const bucket = new TokenBucket({ perSecond: 10, burst: 5 });
  assert.ok(bucket.isFull(0));
  assert.ok(bucket.take(0, 5));
  assert.ok(!bucket.isFull(499));
  assert.ok(bucket.isFull(500));
});

Deno.test("TokenBucket: a clock that goes back gives nothing", () => {
  const bucket = new TokenBucket({ perSecond: 120, burst: 240 });
  assert.equal(available(bucket, 10_000), 240);
  assert.equal(available(bucket, 0), 0);
});

Deno.test("TokenBucket: a limit of nothing is a mistake of the program", () => {
  assert.throws(() => new TokenBucket({ perSecond: 0 }), RangeError);
  assert.throws(() => new TokenBucket({ perSecond: 1, burst: 0 }), RangeError);
  assert.throws(() => new TokenBucket({ perSecond: NaN }), RangeError);
});

Deno.test("takeFromAll: one token of each, or none of any", () => {
  const [small, large] = [new TokenBucket({ perSecond: 1 }), new TokenBucket({ perSecond: 10 })];
  assert.equal(takeFromAll([small, large], 0), 0);
  assert.equal(takeFromAll([small, large], 0), 1_000);
  assert.equal(available(large, 0), 9, "the refused one took none");
});

/** What is taken by somebody who takes all they can, with what is there at that moment. */
function takeGreedily(bucket: TokenBucket, random: Random): { atMs: number; count: number }[] {
  const taken: { atMs: number; count: number }[] = [];
  for (let atMs = random.below(1_000_000), n = 0; n < 400; n++) {
    atMs += random.oneIn(20) ? random.below(30_000) : random.below(400) / 7;
    const count = random.between(1, 5);
    if (bucket.take(atMs, count)) taken.push({ atMs, count });
  }
  return taken;
}

Deno.test("TokenBucket: no span of time holds more than its burst and its rate, and none that it can give is kept back", () => {
  for (let seed = 0; seed < 50; seed++) {
    const random = new Random(seed);
    const limit = { perSecond: random.between(1, 400) / 10, burst: random.between(5, 50) };
    const taken = takeGreedily(new TokenBucket(limit), random);
    for (let first = 0; first < taken.length; first++) {
      let sum = 0;
      for (const { atMs, count } of taken.slice(first)) {
        sum += count;
        const seconds = (atMs - (taken[first]?.atMs ?? 0)) / 1000;
        const most = limit.burst + limit.perSecond * seconds;
        if (sum > most + 0.01) assert.fail(`seed ${seed}: ${sum} of ${most} in ${seconds} s`);
      }
    }
    // A model that keeps its tokens as a number agrees on each single try.
    const bucket = new TokenBucket(limit);
    const again = new Random(seed + 1_000);
    for (let atMs = 0, tokens = limit.burst, lastMs = 0, n = 0; n < 400; n++) {
      atMs += again.below(400);
      tokens = Math.min(limit.burst, tokens + (atMs - lastMs) * limit.perSecond / 1000);
      lastMs = atMs;
      const count = again.between(1, 5);
      if (Math.abs(tokens - count) < 0.01) continue;
      assert.equal(bucket.take(atMs, count), tokens >= count, `seed ${seed}, at ${atMs} ms`);
      if (tokens >= count) tokens -= count;
    }
  }
});
