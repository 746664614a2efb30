import assert from "assert";
import { SimulatedLink } from "./link.ts";
import { SimulatedStream } from "./stream.ts";

const LIMITS = { floorKbps: 150, ceilingKbps: 2_500 } as const;
const SEEDS = Array.from({ length: 20 }, (_, at) => at + 1);
const FALL_MS = 20_000;
const FIRST_MS = 2_000;
const RUN_MS = 40_000;

/** What the path of one stream was like after it fell from 8 to 1 Mbit/s. */
interface Fall {
  /** The queue on the path in the first two seconds, 95th percentile in time. */
  readonly firstMs: number;
  /** The same later. */
  readonly laterMs: number;
  /** Longest time without a picture in the first two seconds. */
  readonly pauseMs: number;
  /** Video sent later, in kbit/s. */
  readonly laterKbps: number;
}

function fall(seed: number, delayMs: number): Fall {
  // Reports come at multiples of 100 ms: the path falls at another moment between two each time.
  const fallMs = FALL_MS + 7 * seed;
  const capacityKbps = (nowMs: number) => nowMs >= fallMs ? 1_000 : 8_000;
  const link = new SimulatedLink({ seed, delayMs, capacityKbps });
  const stream = new SimulatedStream({
    seed: seed + 100,
    limits: LIMITS,
    link,
    returnMs: delayMs,
  });
  const [first, later]: [number[], number[]] = [[], []];
  for (let nowMs = 0; nowMs < RUN_MS; nowMs++) {
    stream.step(nowMs);
    if (nowMs < fallMs) continue;
    (nowMs < fallMs + FIRST_MS ? first : later).push(link.queueMs(nowMs));
  }
  const sent = stream.frames.filter(({ latencyMs }) => latencyMs !== undefined);
  const times = sent.map(({ atMs }) => atMs).filter((atMs) =>
    atMs >= fallMs && atMs < fallMs + FIRST_MS
  );
  const bytes = sent.filter(({ atMs }) => atMs >= fallMs + FIRST_MS)
    .reduce((sum, frame) => sum + frame.bytes, 0);
  return {
    firstMs: p95(first),
    laterMs: p95(later),
    pauseMs: Math.max(...times.slice(1).map((atMs, at) => atMs - (times[at] ?? atMs))),
    laterKbps: 8 * bytes / (RUN_MS - fallMs - FIRST_MS),
  };
}

function p95(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(0.95 * values.length)] ?? Number.NaN;
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

for (
  const { delayMs, firstMs, worstMs, pauseMs } of [
    { delayMs: 20, firstMs: 280, worstMs: 380, pauseMs: 560 },
    { delayMs: 75, firstMs: 410, worstMs: 530, pauseMs: 850 },
  ]
) {
  Deno.test(`congestion: a path that falls from 8 to 1 Mbit/s is followed before its queue stands, at a round trip of ${2 * delayMs} ms`, () => {
    const falls = SEEDS.map((seed) => fall(seed, delayMs));
    const first = mean(falls.map((each) => each.firstMs));
    assert.ok(first <= firstMs, `95 % of the first seconds within ${first} ms of queue`);
    for (const [at, each] of falls.entries()) {
      const where = `seed ${SEEDS[at]}: ${JSON.stringify(each)}`;
      assert.ok(each.firstMs <= worstMs && each.pauseMs <= pauseMs, where);
      assert.ok(each.laterMs <= 110 && each.laterKbps >= 800, where);
    }
  });
}
