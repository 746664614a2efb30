import assert from "assert";
import { type LinkOptions, SimulatedLink } from "./link.ts";
import { run, SimulatedStream, type StreamOptions } from "./stream.ts";

const LIMITS = { floorKbps: 150, ceilingKbps: 2_500 } as const;
const SEEDS = [1, 2, 3] as const;
/** The first seconds, in which the path is felt for. */
const SETTLED_MS = 10_000;
const RUN_MS = 60_000;
const WIDE_KBPS = 1_000_000;

/** What a viewer saw of a stretch of time. */
interface Seen {
  /** From sending to arrival, of 19 frames in 20, in milliseconds. Frames that a packet of got lost are not counted. */
  readonly p95Ms: number;
  readonly worstMs: number;
  /** Frames sent. */
  readonly fps: number;
  /** Video sent, in kbit/s. */
  readonly kbps: number;
}

function seen(
  { frames }: SimulatedStream,
  { fromMs = SETTLED_MS, toMs = RUN_MS }: { fromMs?: number; toMs?: number } = {},
): Seen {
  const sent = frames.filter(({ atMs, latencyMs }) =>
    atMs >= fromMs && atMs < toMs && latencyMs !== undefined
  );
  const latencies = sent.map(({ latencyMs = 0 }) => latencyMs)
    .filter(Number.isFinite).toSorted((a, b) => a - b);
  const seconds = (toMs - fromMs) / 1000;
  return {
    p95Ms: latencies[Math.floor(latencies.length * 0.95)] ?? Number.NaN,
    worstMs: latencies.at(-1) ?? Number.NaN,
    fps: sent.length / seconds,
    kbps: sent.reduce((sum, { bytes }) => sum + bytes, 0) * 8 / 1000 / seconds,
  };
}

/** One stream on a link of its own. */
function stream(
  seed: number,
  { link = {}, ...options }:
    & { link?: Partial<LinkOptions> }
    & Partial<Omit<StreamOptions, "link">>,
): SimulatedStream {
  const path = { delayMs: 20, capacityKbps: () => WIDE_KBPS, ...link };
  const simulated = new SimulatedStream({
    seed: seed + 100,
    limits: LIMITS,
    ...options,
    link: new SimulatedLink({ seed, ...path }),
  });
  run([simulated], RUN_MS);
  return simulated;
}

type Bounds = Partial<Record<keyof Seen, readonly [atLeast: number, atMost: number]>>;

function assertWithin(what: Seen, { bounds, where }: { bounds: Bounds; where: string }): void {
  for (const [name, range] of Object.entries(bounds)) {
    const value = what[name as keyof Seen];
    const [atLeast, atMost] = range;
    assert.ok(
      value >= atLeast && value <= atMost,
      `${where}: ${name} is ${value}, not ${atLeast} to ${atMost}; ${JSON.stringify(what)}`,
    );
  }
}

/** After the first seconds: what passes, how late, and how much of the way is used. */
const SCENARIOS: readonly {
  readonly name: string;
  readonly link?: Partial<LinkOptions>;
  readonly stream?: Partial<Omit<StreamOptions, "link">>;
  readonly bounds: Bounds;
}[] = [
  {
    name: "a wide path takes the ceiling, without a moment of delay",
    bounds: { p95Ms: [20, 21], worstMs: [20, 21], fps: [29.9, 30.1], kbps: [2_400, 2_600] },
  },
  {
    name: "a path just too thin carries most of what it can, within a few frames",
    link: { capacityKbps: () => 2_000 },
    bounds: { p95Ms: [20, 150], worstMs: [20, 500], fps: [29.5, 30.1], kbps: [1_650, 1_950] },
  },
  {
    name: "a path of 40 % of the ceiling",
    link: { capacityKbps: () => 1_000 },
    bounds: { p95Ms: [20, 160], worstMs: [20, 500], fps: [29, 30.1], kbps: [800, 950] },
  },
  {
    name: "a path of a fifth of the ceiling",
    link: { capacityKbps: () => 500 },
    bounds: { p95Ms: [20, 180], worstMs: [20, 500], fps: [29, 30.1], kbps: [360, 450] },
  },
  {
    name:
      "a path that takes the floor but not the sound beside it leaves frames out, and none is late",
    link: { capacityKbps: () => 200 },
    bounds: { p95Ms: [20, 400], worstMs: [20, 700], fps: [20, 29], kbps: [110, 150] },
  },
  {
    name: "a path far below the floor shows a few frames a second, none of them seconds late",
    link: { capacityKbps: () => 100 },
    bounds: { p95Ms: [20, 1_000], worstMs: [20, 1_500], fps: [3, 10], kbps: [20, 45] },
  },
  {
    name: "frp makes 44 % more of each byte",
    link: { capacityKbps: () => 2_500, overhead: 1.44 },
    bounds: { p95Ms: [20, 150], worstMs: [20, 500], fps: [29.5, 30.1], kbps: [1_420, 1_700] },
  },
  {
    name: "frp's limiter lets a second's worth pass before it holds",
    link: { capacityKbps: () => 2_000, overhead: 1.44, bucketMs: 1_000 },
    bounds: { p95Ms: [20, 150], worstMs: [20, 500], fps: [28.5, 30.1], kbps: [1_150, 1_380] },
  },
  {
    name: "60 ms of jitter on a wide path",
    link: { jitterMs: 60 },
    bounds: { p95Ms: [20, 90], fps: [29.9, 30.1], kbps: [2_375, 2_600] },
  },
  {
    name: "60 ms of jitter on a thin path",
    link: { jitterMs: 60, capacityKbps: () => 1_500 },
    bounds: { p95Ms: [20, 170], fps: [29, 30.1], kbps: [1_150, 1_420] },
  },
  {
    name: "stalls of 250 ms on a wide path",
    link: { stalls: { everyMs: 3_000, forMs: 250 } },
    bounds: { p95Ms: [20, 180], worstMs: [20, 300], fps: [29, 30.1], kbps: [2_300, 2_600] },
  },
  {
    name: "stalls of 200 ms on a thin path",
    link: { stalls: { everyMs: 2_000, forMs: 200 }, capacityKbps: () => 1_500 },
    bounds: { p95Ms: [20, 200], worstMs: [20, 350], fps: [29, 30.1], kbps: [1_200, 1_420] },
  },
  {
    name: "2 % of the packets lost",
    link: { loss: 0.02 },
    bounds: { p95Ms: [20, 21], fps: [29.9, 30.1], kbps: [2_375, 2_600] },
  },
  {
    name: "15 % of the packets lost",
    link: { loss: 0.15 },
    bounds: { fps: [29.9, 30.1], kbps: [LIMITS.floorKbps * 0.95, 1_000] },
  },
  {
    name: "a way around the world",
    link: { delayMs: 150, capacityKbps: () => 1_500 },
    stream: { returnMs: 150 },
    bounds: { p95Ms: [150, 300], worstMs: [150, 600], fps: [29, 30.1], kbps: [1_200, 1_420] },
  },
  ...[200, -200].map((driftPpm) => ({
    name: `a viewer's clock that is ${driftPpm} ppm off`,
    link: { capacityKbps: () => 1_500 },
    stream: { driftPpm },
    bounds: { p95Ms: [20, 150], fps: [29.5, 30.1], kbps: [1_220, 1_420] } as const,
  })),
  {
    name: "a keyframe every two seconds on a thin path",
    link: { capacityKbps: () => 1_500 },
    stream: { keyframesAtMs: Array.from({ length: 30 }, (_, at) => 2_000 * at) },
    bounds: { p95Ms: [20, 230], worstMs: [20, 350], fps: [29, 30.1], kbps: [1_120, 1_420] },
  },
  {
    name: "a queue of 30 packets on the way",
    link: { capacityKbps: () => 1_500, queuePackets: 30 },
    bounds: { p95Ms: [20, 160], fps: [29.5, 30.1], kbps: [1_200, 1_420] },
  },
];

for (const { name, bounds, ...options } of SCENARIOS) {
  Deno.test(`congestion: ${name}`, () => {
    for (const seed of SEEDS) {
      const simulated = stream(seed, { ...options.stream, link: options.link ?? {} });
      assertWithin(seen(simulated), { bounds, where: `seed ${seed}` });
      for (const { targetKbps } of simulated.samples) {
        assert.ok(targetKbps >= LIMITS.floorKbps && targetKbps <= LIMITS.ceilingKbps);
      }
    }
  });
}

Deno.test("congestion: a path that becomes thin is followed within two seconds, and back within eight", () => {
  for (const seed of SEEDS) {
    const isThin = (nowMs: number) => nowMs >= 20_000 && nowMs < 40_000;
    const simulated = stream(seed, {
      link: { capacityKbps: (nowMs) => isThin(nowMs) ? 800 : 3_000 },
    });
    const part = (fromMs: number, toMs: number, bounds: Bounds) =>
      assertWithin(seen(simulated, { fromMs, toMs }), { bounds, where: `seed ${seed}, ${fromMs}` });
    part(10_000, 20_000, { kbps: [2_350, 2_650] });
    part(20_000, 22_000, { worstMs: [20, 1_400] });
    part(22_000, 40_000, {
      p95Ms: [20, 200],
      worstMs: [20, 500],
      kbps: [550, 760],
      fps: [29, 30.1],
    });
    part(48_000, 60_000, { p95Ms: [20, 150], kbps: [2_000, 2_650] });
  }
});

Deno.test("congestion: a path that changes every five seconds is never seconds behind", () => {
  for (const seed of SEEDS) {
    const simulated = stream(seed, {
      link: { capacityKbps: (nowMs) => Math.floor(nowMs / 5_000) % 2 === 1 ? 700 : 2_500 },
    });
    const bounds = {
      p95Ms: [20, 300],
      worstMs: [20, 1_300],
      fps: [28, 30.1],
      kbps: [500, 900],
    } as const;
    assertWithin(seen(simulated), { bounds, where: `seed ${seed}` });
  }
});

Deno.test("congestion: content that becomes difficult now and then is followed within seconds", () => {
  for (const seed of SEEDS) {
    const isHard = (nowMs: number) => Math.floor(nowMs / 10_000) % 2 === 1;
    const simulated = stream(seed, {
      link: { capacityKbps: () => 1_500 },
      contentKbps: (nowMs) => isHard(nowMs) ? 4_000 : 300,
    });
    assertWithin(seen(simulated), { bounds: { p95Ms: [20, 150], fps: [29, 30.1] }, where: "all" });
    for (const fromMs of [14_000, 34_000, 54_000]) {
      const hard = seen(simulated, { fromMs, toMs: fromMs + 6_000 });
      assertWithin(hard, { bounds: { kbps: [1_050, 1_450] }, where: `seed ${seed}, ${fromMs}` });
    }
  }
});

Deno.test("congestion: five streams in one tunnel share it evenly, whoever comes first, and none is late", () => {
  for (const seed of SEEDS) {
    const link = new SimulatedLink({ seed, delayMs: 20, capacityKbps: () => 4_000 });
    const streams = Array.from(
      { length: 5 },
      (_, at) =>
        new SimulatedStream({ link, seed: 10 * seed + at, limits: LIMITS, startMs: 5_000 * at }),
    );
    run(streams, 90_000);
    const all = streams.map((each) => seen(each, { fromMs: 40_000, toMs: 90_000 }));
    const mean = all.reduce((sum, { kbps }) => sum + kbps, 0) / all.length;
    assert.ok(mean > 600 && mean < 760, `${mean} kbit/s of 736 with sound`);
    for (const each of all) {
      const bounds = { kbps: [mean / 2, mean * 2], p95Ms: [20, 200], fps: [29, 30.1] } as const;
      assertWithin(each, { bounds, where: `seed ${seed}` });
    }
  }
});

Deno.test("congestion: others who keep a queue of their own do not starve a stream", () => {
  for (const seed of SEEDS) {
    const link = new SimulatedLink({ seed, delayMs: 20, capacityKbps: () => 4_000 });
    const simulated = new SimulatedStream({ link, seed: seed + 10, limits: LIMITS });
    /** Fifty packets are always on their way, as a download has them. */
    let underWay: number[] = [];
    for (let nowMs = 0; nowMs < 90_000; nowMs++) {
      underWay = underWay.filter((arrivesMs) => arrivesMs > nowMs);
      while (nowMs > 10_000 && nowMs < 60_000 && underWay.length < 50) {
        underWay.push(link.send(1_200, nowMs) ?? Number.POSITIVE_INFINITY);
      }
      simulated.step(nowMs);
    }
    const part = (fromMs: number, toMs: number, bounds: Bounds) =>
      assertWithin(seen(simulated, { fromMs, toMs }), { bounds, where: `seed ${seed}, ${fromMs}` });
    part(10_000, 20_000, { kbps: [250, 2_500], p95Ms: [20, 350] });
    part(20_000, 60_000, { kbps: [700, 2_500], p95Ms: [20, 300], fps: [29, 30.1] });
    part(65_000, 90_000, { kbps: [2_300, 2_600], p95Ms: [20, 60] });
  }
});

Deno.test("congestion: a path below the floor is no later after ten minutes than after one", () => {
  const link = new SimulatedLink({ seed: 1, delayMs: 20, capacityKbps: () => 110 });
  const simulated = new SimulatedStream({ link, seed: 2, limits: LIMITS });
  run([simulated], 600_000);
  const [early, late] = [60_000, 540_000].map((fromMs) =>
    seen(simulated, { fromMs, toMs: fromMs + 60_000 }).p95Ms
  );
  assert.ok((late ?? Number.NaN) < 1.2 * (early ?? 0), `${early} ms, then ${late} ms`);
});
