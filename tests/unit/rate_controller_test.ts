import assert from "assert";
import {
  RateController,
  type RateEvidence,
  type RateLimits,
} from "../../src/rate/rate_controller.ts";
import { Random } from "../support/random.ts";

const STEP_MS = 100;
const LIMITS = { floorKbps: 150, ceilingKbps: 2_500 } as const;

/** A controller that hears ten times a second of a stream that sends what it may. */
class SetUp {
  readonly controller: RateController;
  nowMs = 0;

  constructor(
    { limits = LIMITS, startKbps = 1_250 }: { limits?: RateLimits; startKbps?: number } = {},
  ) {
    this.controller = new RateController({ limits: () => limits, startKbps, nowMs: 0 });
  }

  get targetKbps(): number {
    return this.controller.targetKbps;
  }

  /** Says the same for so long: by default an empty path on which everything arrives. @returns The rate then. */
  hear(ms: number, evidence: Partial<RateEvidence> = {}): number {
    for (const untilMs = this.nowMs + ms; this.nowMs < untilMs;) {
      this.nowMs += STEP_MS;
      const kbps = this.targetKbps;
      const clear = { queueMs: 0, deliveredKbps: kbps, lossRatio: 0, sentKbps: kbps };
      this.controller.update({ ...clear, ...evidence }, this.nowMs);
    }
    return this.targetKbps;
  }

  /** How long it takes until the rate is one, in milliseconds. */
  timeTo(kbps: number, { withinMs }: { withinMs: number }): number {
    const sinceMs = this.nowMs;
    while (this.targetKbps < kbps) {
      this.hear(STEP_MS);
      assert.ok(this.nowMs - sinceMs <= withinMs, `${this.targetKbps} kbit/s after ${withinMs} ms`);
    }
    return this.nowMs - sinceMs;
  }
}

Deno.test("RateController: on a free path the ceiling is reached within some seconds, and kept", () => {
  const set = new SetUp();
  assert.equal(set.targetKbps, 1_250);
  set.timeTo(2_500, { withinMs: 1_500 });
  assert.equal(set.hear(60_000), 2_500);
});

Deno.test("RateController: a queue is drained below what the path carries, then a little below it is sent", () => {
  const set = new SetUp();
  set.hear(5_000);
  const full = { queueMs: 150, deliveredKbps: 1_000 };
  const draining = set.hear(100, full);
  assert.ok(set.controller.isDraining);
  assert.ok(draining < 800 && draining > 400, `${draining}`);
  assert.ok(set.hear(500, full) < 800);
  const steady = set.hear(100, { deliveredKbps: 1_000 });
  assert.ok(!set.controller.isDraining);
  assert.ok(steady > 900 && steady < 1_000, `${steady}`);
});

Deno.test("RateController: the longer the queue, the less is sent, but never nothing", () => {
  const rates = [70, 150, 300, 700, 5_000, 1e9].map((queueMs) => {
    const set = new SetUp();
    set.hear(2_000);
    return set.hear(300, { queueMs, deliveredKbps: 1_000 });
  });
  assert.deepEqual(rates, rates.toSorted((a, b) => b - a));
  assert.ok(rates.every((kbps) => kbps >= 400), `${rates}`);
});

Deno.test("RateController: a sudden queue that is refuted leaves no trace", () => {
  const set = new SetUp();
  set.hear(5_000);
  const cut = set.hear(100, { queueMs: 100, deliveredKbps: 800, sudden: "begins" });
  assert.ok(cut < 800, `${cut}`);
  assert.equal(set.hear(100, { sudden: "refuted" }), 2_500);
  assert.ok(!set.controller.isDraining);
});

Deno.test("RateController: a short queue changes nothing", () => {
  const set = new SetUp();
  set.hear(5_000);
  assert.equal(set.hear(10_000, { queueMs: 50, deliveredKbps: 100 }), 2_500);
});

Deno.test("RateController: it feels its way up: slowly near where the path was full, boldly above", () => {
  const set = new SetUp();
  set.hear(5_000);
  set.hear(1_000, { queueMs: 150, deliveredKbps: 1_000 });
  set.hear(STEP_MS);
  const near = set.hear(5_000);
  assert.ok(near > 950 && near < 1_050, `${near}`);
  set.timeTo(2_500, { withinMs: 30_000 });
});

Deno.test("RateController: a queue that others keep up is accepted, and what it delays goes on", () => {
  const set = new SetUp();
  set.hear(5_000);
  const rates: number[] = [];
  for (let second = 0; second < 40; second++) {
    rates.push(set.hear(1_000, { queueMs: 200, deliveredKbps: set.targetKbps }));
  }
  const last = rates.slice(-10);
  assert.ok(last.every((kbps) => kbps > 4 * LIMITS.floorKbps), `${rates.map(Math.round)}`);
  assert.ok(set.hear(30_000) === 2_500);
});

Deno.test("RateController: a little loss costs nothing, some holds the rate, much lowers it twice a second at most", () => {
  const little = new SetUp();
  assert.equal(little.hear(10_000, { lossRatio: 0.019 }), 2_500);
  const some = new SetUp();
  assert.equal(some.hear(10_000, { lossRatio: 0.05 }), 1_250);
  const much = new SetUp();
  much.hear(5_000);
  const [first, second] = [much.hear(100, { lossRatio: 0.2 }), much.hear(300, { lossRatio: 0.2 })];
  assert.deepEqual([first, second], [2_250, 2_250]);
  assert.ok(Math.abs(much.hear(200, { lossRatio: 0.2 }) - 2_025) < 0.001);
  assert.equal(much.hear(60_000, { lossRatio: 0.9 }), LIMITS.floorKbps);
  much.timeTo(2_500, { withinMs: 30_000 });
});

Deno.test("RateController: a rate that nothing was sent at is not taken for one that passes", () => {
  const set = new SetUp();
  assert.equal(set.hear(60_000, { sentKbps: 50, deliveredKbps: 50 }), 1_250, "it does not grow");
  set.hear(1_000, { queueMs: 150, sentKbps: 50, deliveredKbps: 50 });
  const easy = set.hear(60_000, { sentKbps: 50, deliveredKbps: 50 });
  assert.ok(easy > 50 && easy <= 1.5 * 50 + 200, `${easy}`);
  // The picture becomes difficult.
  set.timeTo(2_500, { withinMs: 15_000 });
});

Deno.test("RateController: when nothing arrives for a while, the way back from the floor is short", () => {
  const set = new SetUp();
  const nothing = { queueMs: 300, deliveredKbps: 0, sentKbps: 0 };
  assert.equal(set.hear(2_500, nothing), LIMITS.floorKbps);
  set.timeTo(2_500, { withinMs: 15_000 });
});

Deno.test("RateController: limits that change hold at once, also while a queue is drained", () => {
  const limits = { floorKbps: 150, ceilingKbps: 2_500 };
  const set = new SetUp({ limits });
  set.hear(5_000);
  const full = { queueMs: 150, deliveredKbps: 2_000 };
  set.hear(300, full);
  assert.ok(set.controller.isDraining);
  limits.ceilingKbps = 400;
  assert.equal(set.targetKbps, 400);
  for (let report = 0; report < 20; report++) assert.ok(set.hear(STEP_MS, full) <= 400);
  assert.ok(set.hear(10_000) <= 400);
  limits.floorKbps = 300;
  set.hear(2_000, { queueMs: 500, deliveredKbps: 10 });
  assert.equal(set.targetKbps, 300);
  Object.assign(limits, { floorKbps: 150, ceilingKbps: 2_500 });
  assert.ok(set.targetKbps < 2_500, "it has to be felt for");
  set.timeTo(2_500, { withinMs: 30_000 });
});

Deno.test("RateController: one rate is all there is where floor and ceiling are the same", () => {
  const set = new SetUp({ limits: { floorKbps: 800, ceilingKbps: 800 } });
  assert.equal(set.hear(5_000), 800);
  assert.equal(set.hear(5_000, { queueMs: 1_000, deliveredKbps: 100 }), 800);
  assert.equal(set.hear(5_000, { lossRatio: 0.8 }), 800);
});

Deno.test("RateController: a floor above the ceiling is no floor", () => {
  const set = new SetUp({ limits: { floorKbps: 800, ceilingKbps: 500 } });
  assert.equal(set.hear(5_000), 500);
  assert.equal(set.hear(5_000, { queueMs: 1_000, deliveredKbps: 100 }), 500);
});

Deno.test("RateController: a start above the ceiling is none, and queues tell of the ceiling", () => {
  const set = new SetUp({ limits: { floorKbps: 50, ceilingKbps: 300 }, startKbps: 1_000 });
  assert.equal(set.targetKbps, 300);
  const drained = set.hear(300, { queueMs: 100, deliveredKbps: 300 });
  assert.ok(drained < 280, `${drained}`);
});

Deno.test("RateController: whatever it hears, the rate is a number within the limits, and not stuck", () => {
  const random = new Random(7);
  const values = [0, 1e-9, 0.5, 24, 26, 59, 61, 300, 2_500, 1e5, 1e12];
  for (let run = 0; run < 300; run++) {
    const floorKbps = random.pick([30, 150, 1_000]);
    const limits = { floorKbps, ceilingKbps: floorKbps * random.pick([1, 2, 100]) };
    const set = new SetUp({ limits, startKbps: random.pick(values) });
    for (let report = 0; report < 300; report++) {
      if (random.oneIn(50)) limits.ceilingKbps = floorKbps * random.between(1, 100);
      set.nowMs += random.pick([0, 1, 50, 1_000, 1e7]);
      set.hear(STEP_MS, {
        queueMs: random.pick(values),
        deliveredKbps: random.pick(values),
        lossRatio: random.below(1_001) / 1_000,
        sentKbps: random.pick(values),
      });
      const kbps = set.targetKbps;
      assert.ok(kbps >= limits.floorKbps && kbps <= limits.ceilingKbps, `${kbps}, run ${run}`);
    }
    set.timeTo(limits.ceilingKbps, { withinMs: 90_000 });
  }
});

Deno.test("RateController: one that joins others is past its start, and their queue is no other traffic's", () => {
  const set = new SetUp();
  set.controller.startAt(400);
  const after = set.hear(1_000);
  assert.ok(after > 400 && after < 440, `${after}`);
  set.controller.explore();
  assert.ok(set.hear(1_000) > 1.8 * after);

  const crowded = new SetUp();
  crowded.hear(5_000);
  crowded.hear(20_000, { queueMs: 200, deliveredKbps: 1_000 });
  const tolerant = crowded.targetKbps;
  crowded.controller.settle();
  assert.ok(crowded.hear(300, { queueMs: 200, deliveredKbps: 1_000 }) < 0.8 * tolerant);
});

Deno.test("RateController: a rate that is scaled goes on from there, and one that yields grows back", () => {
  const set = new SetUp();
  set.hear(300, { queueMs: 200, deliveredKbps: 1_000 });
  set.hear(100);
  const full = set.targetKbps;
  set.controller.scale(0.5);
  assert.ok(set.hear(1_000) < 0.56 * full, `${set.targetKbps} of ${full}`);
  set.controller.scale(2);
  set.controller.yield(0.5);
  assert.ok(set.hear(1_000) > 0.75 * full, `${set.targetKbps} of ${full}`);
});
