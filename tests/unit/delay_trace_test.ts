import assert from "assert";
import { judgeBottleneck } from "../../src/rate/bottleneck_verdict.ts";
import { DelayTrace } from "../../src/rate/delay_trace.ts";
import { Random } from "../support/random.ts";

/** A trace of ten packets a second, whose delays begin at `zeroMs` and have a queue besides. */
function traceOf(
  queueMs: (nowMs: number) => number,
  { zeroMs = 0, untilMs = 8_000, shiftMs = 0 }: {
    zeroMs?: number;
    untilMs?: number;
    shiftMs?: number;
  } = {},
): DelayTrace {
  const trace = new DelayTrace();
  for (let nowMs = shiftMs; nowMs < untilMs; nowMs += 20) trace.add(zeroMs + queueMs(nowMs), nowMs);
  return trace;
}

/** A queue that grows to `mostMs` and drains within `periodMs`. */
function sawtooth(periodMs: number, mostMs = 60): (nowMs: number) => number {
  return (nowMs) => mostMs * Math.abs(2 * (nowMs % periodMs) / periodMs - 1);
}

const shared = sawtooth(2_000);

Deno.test("DelayTrace: viewers of one queue agree, however their clocks and packets differ", () => {
  const one = traceOf(shared);
  const other = traceOf(shared, { zeroMs: 1.7e12, shiftMs: 7 });
  const comparison = one.compare(other);
  assert.ok(comparison.agreement > 0.95, `${comparison.agreement}`);
  assert.ok(Math.abs(comparison.differenceMs + 1.7e12) < 5, `${comparison.differenceMs}`);
  assert.equal(judgeBottleneck([comparison]), "together");
});

Deno.test("DelayTrace: viewers of two queues do not agree", () => {
  const one = traceOf(shared);
  for (const other of [traceOf(sawtooth(1_300)), traceOf(() => 0), traceOf(sawtooth(2_000, 300))]) {
    assert.notEqual(judgeBottleneck([one.compare(other)]), "together");
  }
  assert.equal(judgeBottleneck([one.compare(traceOf(sawtooth(1_300)))]), "apart");
});

Deno.test("DelayTrace: a queue that one of them has besides shows before the delays cease to agree", () => {
  const own = traceOf((nowMs) => shared(nowMs) + (nowMs > 7_300 ? 90 : 0));
  assert.equal(judgeBottleneck([own.compare(traceOf(shared))]), "apart");
  assert.notEqual(judgeBottleneck([traceOf(shared).compare(own)]), "apart");
});

Deno.test("DelayTrace: paths without a queue, or with a short time in common, tell nothing", () => {
  const quiet = traceOf((nowMs) => nowMs % 5);
  assert.equal(judgeBottleneck([quiet.compare(traceOf((nowMs) => nowMs % 7))]), "unknown");
  const brief = traceOf(shared, { untilMs: 1_500 });
  assert.equal(judgeBottleneck([brief.compare(traceOf(shared, { untilMs: 1_500 }))]), "unknown");
  const empty = new DelayTrace();
  assert.equal(empty.compare(new DelayTrace()).buckets, 0);
  assert.equal(empty.compare(traceOf(shared)).buckets, 0);
});

Deno.test("DelayTrace: delays of a busy machine do not set viewers apart", () => {
  const random = new Random(1);
  const noise = () => (nowMs: number) => nowMs % 100 === 0 ? random.below(40) : 40;
  const [one, other] = [traceOf(noise()), traceOf(noise())];
  const { spreadMs, agreement } = one.compare(other);
  assert.ok(spreadMs > 8 && agreement < 0.3, `${spreadMs} ms, ${agreement}`);
  assert.equal(judgeBottleneck([one.compare(other)]), "unknown");
});

Deno.test("DelayTrace: a queue that both share shows although each has delays of its own", () => {
  const random = new Random(2);
  const noisy = () =>
    traceOf((nowMs) => shared(nowMs) + (nowMs % 100 === 0 ? random.below(30) : 30));
  assert.equal(judgeBottleneck([noisy().compare(noisy())]), "together");
});

Deno.test("DelayTrace: packets of long ago, and of before a clock was set, do not count", () => {
  const untilMs = 10_000;
  const other = traceOf(shared, { untilMs });
  const trace = traceOf(shared, { untilMs });
  const before = trace.compare(other);
  trace.add(-900, -1);
  trace.add(-900, 1_000);
  assert.deepEqual(trace.compare(other), before);
  trace.add(60_000, untilMs);
  assert.equal(trace.compare(other).buckets, 0);
});
