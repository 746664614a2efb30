import assert from "assert";
import { SharedPaths } from "../../src/rate/shared_paths.ts";
import { SimulatedLink } from "./link.ts";
import { SimulatedStream, type StreamOptions } from "./stream.ts";

const LIMITS = { floorKbps: 150, ceilingKbps: 2_500 } as const;
const SEEDS = Array.from({ length: 20 }, (_, at) => at + 1);
const TUNNEL_KBPS = 2_000;

type Path = Pick<SimulatedLink, "send">;

/** A tunnel, and what was in it. */
class Tunnel implements Path {
  readonly #link: SimulatedLink;
  readonly #kbps: number;
  /** By millisecond: bytes sent, and the queue. */
  readonly #bytes: number[] = [];
  readonly #queuesMs: number[] = [];

  constructor({ seed, kbps }: { seed: number; kbps: number }) {
    this.#kbps = kbps;
    this.#link = new SimulatedLink({ seed, delayMs: 20, capacityKbps: () => kbps });
  }

  send(bytes: number, nowMs: number): number | undefined {
    const at = Math.floor(nowMs);
    this.#bytes[at] = (this.#bytes[at] ?? 0) + bytes;
    return this.#link.send(bytes, nowMs);
  }

  watch(nowMs: number): void {
    this.#queuesMs[nowMs] = this.#link.queueMs(nowMs);
  }

  /** Part of the capacity that was used, and the 95th percentile of the queue. */
  seen(fromMs: number, toMs: number): { used: number; queueMs: number } {
    const bytes = this.#bytes.slice(fromMs, toMs).reduce((sum, each = 0) => sum + each, 0);
    const queues = this.#queuesMs.slice(fromMs, toMs).toSorted((a, b) => a - b);
    return {
      used: 8 * bytes / (toMs - fromMs) / this.#kbps,
      queueMs: queues[Math.floor(0.95 * queues.length)] ?? Number.NaN,
    };
  }
}

/** The way of one viewer: the tunnel, then a network of its own. */
function through(tunnel: Path, own: SimulatedLink): Path {
  return {
    send(bytes, nowMs) {
      const atMs = tunnel.send(bytes, nowMs);
      return atMs === undefined ? undefined : own.send(bytes, atMs);
    },
  };
}

function play(
  streams: readonly SimulatedStream[],
  { tunnels, untilMs }: { tunnels: readonly Tunnel[]; untilMs: number },
): void {
  for (let nowMs = 0; nowMs < untilMs; nowMs++) {
    for (const stream of streams) stream.step(nowMs);
    for (const tunnel of tunnels) tunnel.watch(nowMs);
  }
}

interface Part {
  readonly fromMs: number;
  readonly toMs: number;
}

function framesOf({ frames }: SimulatedStream, { fromMs, toMs }: Part) {
  return frames.filter(({ atMs, latencyMs }) =>
    atMs >= fromMs && atMs < toMs && latencyMs !== undefined
  );
}

function kbpsOf(stream: SimulatedStream, part: Part): number {
  const bytes = framesOf(stream, part).reduce((sum, frame) => sum + frame.bytes, 0);
  return 8 * bytes / (part.toMs - part.fromMs);
}

/** Longest time without a picture, in milliseconds. */
function pauseOf(stream: SimulatedStream, part: Part): number {
  const times = [part.fromMs, ...framesOf(stream, part).map(({ atMs }) => atMs), part.toMs];
  return Math.max(...times.slice(1).map((atMs, at) => atMs - (times[at] ?? atMs)));
}

/** Largest difference of a share from the mean, as a part of it. */
function unevenness(streams: readonly SimulatedStream[], part: Part): number {
  const rates = streams.map((stream) => kbpsOf(stream, part));
  const mean = rates.reduce((sum, kbps) => sum + kbps, 0) / rates.length;
  return Math.max(...rates.map((kbps) => Math.abs(kbps / mean - 1)));
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

interface Tunnelled {
  readonly shared: SharedPaths;
  readonly tunnel: Tunnel;
  readonly streams: readonly SimulatedStream[];
}

/** Streams through one tunnel of {@link TUNNEL_KBPS}. */
function tunnelled(
  seed: number,
  options: readonly (Partial<StreamOptions> & { readonly own?: SimulatedLink })[],
): Tunnelled {
  const tunnel = new Tunnel({ seed, kbps: TUNNEL_KBPS });
  const shared = new SharedPaths();
  const streams = options.map(({ own, ...each }, at) =>
    new SimulatedStream({
      limits: LIMITS,
      seed: 10 * seed + at,
      shared,
      link: own === undefined ? tunnel : through(tunnel, own),
      ...each,
    })
  );
  return { shared, tunnel, streams };
}

/** When the first viewers come: all at once, or up to 0.9 s apart. */
function startsMs(seed: number, at: number): number {
  return at * (seed % 4) * 300;
}

const SIXTH_MS = 20_000;
const LEAVE_MS = 35_000;
const IDLE = { fromMs: 48_000, toMs: 60_000 } as const;
const DAY_MS = 72_000;

/** Five come, a sixth joins, the first leaves, and one shows a still picture for a while. */
function day(seed: number): Tunnelled {
  const set = tunnelled(
    seed,
    Array.from({ length: 6 }, (_, at) => {
      if (at === 0) return { startMs: 0, endMs: LEAVE_MS };
      if (at === 5) return { startMs: SIXTH_MS + 37 * seed };
      const startMs = startsMs(seed, at);
      if (at !== 1) return { startMs };
      const isIdle = (nowMs: number) => nowMs >= IDLE.fromMs && nowMs < IDLE.toMs;
      return { startMs, contentKbps: (nowMs) => isIdle(nowMs) ? 30 : 4_000 };
    }),
  );
  play(set.streams, { tunnels: [set.tunnel], untilMs: DAY_MS });
  return set;
}

/** Each seed is played once for all tests. */
const days = new Map<number, Tunnelled>();

function dayOf(seed: number): Tunnelled {
  const known = days.get(seed) ?? day(seed);
  days.set(seed, known);
  return known;
}

/** What holds of each seed, and of all on average. */
function assertShared(
  sets: readonly Tunnelled[],
  { part, of, uneven, queueMs = 100, used = 0.92 }: {
    part: Part;
    /** Streams that should be even. */
    of: (streams: readonly SimulatedStream[]) => readonly SimulatedStream[];
    uneven: number;
    queueMs?: number;
    used?: number;
  },
): void {
  for (const [at, { streams }] of sets.entries()) {
    const is = unevenness(of(streams), part);
    const rates = streams.map((stream) => Math.round(kbpsOf(stream, part)));
    assert.ok(is <= uneven, `seed ${SEEDS[at]}: ${100 * is} % from the mean, ${rates} kbit/s`);
  }
  const seen = sets.map(({ tunnel }) => tunnel.seen(part.fromMs, part.toMs));
  const queue = mean(seen.map((each) => each.queueMs));
  const use = mean(seen.map((each) => each.used));
  assert.ok(queue <= queueMs && use >= used, `queue ${queue} ms, ${100 * use} % used`);
}

Deno.test("shared path: five viewers of one tunnel have the same share after ten seconds, in a short queue", () => {
  const sets = SEEDS.map(dayOf);
  const of = (streams: readonly SimulatedStream[]) => streams.slice(0, 5);
  assertShared(sets, { part: { fromMs: 10_000, toMs: 20_000 }, of, uneven: 0.15 });
  for (const { streams } of sets) assert.deepEqual(streams.map(({ viewers }) => viewers).at(1), 5);
});

Deno.test("shared path: a sixth begins with its share, and the others' pictures do not stop", () => {
  const sets = SEEDS.map(dayOf);
  const of = (streams: readonly SimulatedStream[]) => streams;
  const joins = { fromMs: SIXTH_MS + 1_000, toMs: SIXTH_MS + 5_000 };
  assertShared(sets, { part: joins, of, uneven: 0.3, queueMs: 130 });
  for (const [at, { streams }] of sets.entries()) {
    const pauses = streams.slice(0, 5).map((stream) =>
      pauseOf(stream, { fromMs: SIXTH_MS, toMs: SIXTH_MS + 5_000 })
    );
    assert.ok(Math.max(...pauses) <= 300, `seed ${SEEDS[at]}: ${pauses} ms without a picture`);
  }
  assertShared(sets, { part: { fromMs: 25_000, toMs: LEAVE_MS }, of, uneven: 0.15 });
});

Deno.test("shared path: the others get the share of one that leaves", () => {
  const sets = SEEDS.map(dayOf);
  const of = (streams: readonly SimulatedStream[]) => streams.slice(1);
  const part = { fromMs: LEAVE_MS + 1_000, toMs: LEAVE_MS + 4_000 };
  assertShared(sets, { part, of, uneven: 0.2, used: 0.95 });
  assertShared(sets, { part: { fromMs: LEAVE_MS + 5_000, toMs: IDLE.fromMs }, of, uneven: 0.15 });
});

Deno.test("shared path: one with a still picture lends its share, and has it back when the picture moves", () => {
  const sets = SEEDS.map(dayOf);
  const busy = (streams: readonly SimulatedStream[]) => streams.slice(2);
  assertShared(sets, {
    part: { fromMs: IDLE.fromMs + 5_000, toMs: IDLE.toMs },
    of: busy,
    uneven: 0.15,
    used: 0.955,
  });
  const all = (streams: readonly SimulatedStream[]) => streams.slice(1);
  assertShared(sets, {
    part: { fromMs: IDLE.toMs + 4_000, toMs: DAY_MS },
    of: all,
    uneven: 0.15,
    queueMs: 105,
  });
});

const SETTLED: Part = { fromMs: 10_000, toMs: 36_000 };

/** Five viewers of one tunnel, the last of them with a network of its own behind it. */
function withOwn(
  seed: number,
  own: Partial<ConstructorParameters<typeof SimulatedLink>[0]>,
): Tunnelled {
  const link = new SimulatedLink({
    seed: seed + 7,
    delayMs: 10,
    capacityKbps: () => 100_000,
    ...own,
  });
  const set = tunnelled(
    seed,
    Array.from({ length: 5 }, (_, at) => ({
      startMs: startsMs(seed, at),
      ...(at === 4 ? { own: link } : {}),
    })),
  );
  play(set.streams, { tunnels: [set.tunnel], untilMs: SETTLED.toMs });
  return set;
}

for (
  const { name, own, lastKbps } of [
    {
      name: "a viewer behind a thinner network",
      own: { capacityKbps: () => 280 },
      lastKbps: [120, 230],
    },
    { name: "a viewer who loses many packets", own: { loss: 0.16 }, lastKbps: [140, 300] },
  ] as const
) {
  Deno.test(`shared path: ${name} uses that, and the others share the rest`, () => {
    const sets = SEEDS.map((seed) => withOwn(seed, own));
    assertShared(sets, { part: SETTLED, of: (streams) => streams.slice(0, 4), uneven: 0.15 });
    for (const [at, { streams }] of sets.entries()) {
      const [last = Number.NaN] = streams.slice(4).map((stream) => kbpsOf(stream, SETTLED));
      const [least, most] = lastKbps;
      assert.ok(last >= least && last <= most, `seed ${SEEDS[at]}: ${last} kbit/s`);
    }
  });
}

Deno.test("shared path: a viewer who comes by another way is not held down to the tunnel's shares", () => {
  for (const seed of SEEDS) {
    const { streams, tunnel, shared } = tunnelled(
      seed,
      Array.from({ length: 5 }, (_, at) => ({ startMs: startsMs(seed, at) })),
    );
    const apart = new SimulatedStream({
      limits: LIMITS,
      seed: seed + 1_000,
      shared,
      link: new SimulatedLink({ seed: seed + 7, delayMs: 10, capacityKbps: () => 1_500 }),
      startMs: 15_000,
    });
    play([...streams, apart], { tunnels: [tunnel], untilMs: 36_000 });
    const part = { fromMs: 25_000, toMs: 36_000 };
    const kbps = kbpsOf(apart, part);
    assert.ok(kbps > 1_100, `seed ${seed}: ${kbps} kbit/s of 1500`);
    const { used, queueMs } = tunnel.seen(part.fromMs, part.toMs);
    assert.ok(used > 0.9 && queueMs < 130, `seed ${seed}: ${100 * used} % used, ${queueMs} ms`);
  }
});

Deno.test("shared path: viewers of two tunnels share each of them, whatever the other carries", () => {
  for (const seed of SEEDS) {
    const shared = new SharedPaths();
    const tunnels = [2_000, 3_500].map((kbps, at) => new Tunnel({ seed: seed + 50 * at, kbps }));
    const streams = Array.from({ length: 8 }, (_, at) =>
      new SimulatedStream({
        limits: LIMITS,
        seed: 10 * seed + at,
        shared,
        link: tunnels[at % 2] ?? new Tunnel({ seed, kbps: 1 }),
        startMs: at * (seed % 4) * 300,
      }));
    play(streams, { tunnels, untilMs: 40_000 });
    const part = { fromMs: 15_000, toMs: 40_000 };
    for (const [way, tunnel] of tunnels.entries()) {
      const own = streams.filter((_, at) => at % 2 === way);
      const is = unevenness(own, part);
      const { used } = tunnel.seen(part.fromMs, part.toMs);
      assert.ok(is <= 0.2 && used > 0.85, `seed ${seed}, ${way}: ${100 * is} %, ${100 * used} %`);
    }
    assert.deepEqual(shared.groupSizes.toSorted(), [4, 4], `seed ${seed}`);
  }
});

Deno.test("shared path: round trips from 20 to 310 ms make no difference", () => {
  const sets = SEEDS.map((seed) => {
    const set = tunnelled(
      seed,
      [5, 20, 40, 80, 150].map((delayMs, at) => ({
        startMs: startsMs(seed, at),
        returnMs: delayMs,
        own: new SimulatedLink({
          seed: seed + at,
          delayMs,
          jitterMs: 10,
          capacityKbps: () => 100_000,
        }),
      })),
    );
    play(set.streams, { tunnels: [set.tunnel], untilMs: SETTLED.toMs });
    return set;
  });
  assertShared(sets, { part: SETTLED, of: (streams) => streams, uneven: 0.15 });
});
