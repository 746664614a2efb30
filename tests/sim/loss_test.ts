import assert from "assert";
import { SimulatedLink } from "./link.ts";
import { LossyViewer } from "./lossy_viewer.ts";

const LIMITS = { floorKbps: 150, ceilingKbps: 2_500 } as const;
const SEEDS = Array.from({ length: 20 }, (_, at) => at + 1);
const SETTLED_MS = 5_000;
const RUN_MS = 20_000;
const FREEZE_MS = 300;

interface Seen {
  readonly picturesPerS: number;
  readonly freezes: number;
  readonly kbps: number;
}

/** What a viewer sees on a path of 8 Mbit/s that loses packets. */
function watch(
  seed: number,
  { delayMs, loss, lossBurst }: { delayMs: number; loss: number; lossBurst: number },
): Seen {
  const link = new SimulatedLink({ seed, delayMs, loss, lossBurst, capacityKbps: () => 8_000 });
  const viewer = new LossyViewer({ link, seed: seed + 50, limits: LIMITS, delayMs });
  viewer.run(RUN_MS);
  const shown = viewer.shownMs.filter((atMs) => atMs >= SETTLED_MS);
  const gaps = shown.slice(1).map((atMs, at) => atMs - (shown[at] ?? atMs));
  const bytes = viewer.pictures.filter(({ atMs }) => atMs >= SETTLED_MS)
    .reduce((sum, picture) => sum + picture.bytes, 0);
  const seconds = (RUN_MS - SETTLED_MS) / 1000;
  return {
    picturesPerS: shown.length / seconds,
    freezes: gaps.filter((ms) => ms > FREEZE_MS).length,
    kbps: 8 * bytes / 1000 / seconds,
  };
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

/** Means of all seeds: pictures per second and kbit/s at least, freezes at most. */
const PATHS = [
  { delayMs: 10, lossBurst: 1, loss: 0.02, picturesPerS: 26, freezes: 0.1, kbps: 2_300 },
  { delayMs: 10, lossBurst: 1, loss: 0.05, picturesPerS: 27, freezes: 0.1, kbps: 1_400 },
  { delayMs: 10, lossBurst: 1, loss: 0.1, picturesPerS: 28, freezes: 0, kbps: 1_180 },
  { delayMs: 10, lossBurst: 1, loss: 0.15, picturesPerS: 26.5, freezes: 0.1, kbps: 950 },
  { delayMs: 10, lossBurst: 5, loss: 0.05, picturesPerS: 28, freezes: 0.1, kbps: 1_200 },
  { delayMs: 10, lossBurst: 5, loss: 0.1, picturesPerS: 26, freezes: 0.1, kbps: 750 },
  { delayMs: 75, lossBurst: 1, loss: 0.05, picturesPerS: 24.5, freezes: 0.8, kbps: 700 },
  { delayMs: 75, lossBurst: 1, loss: 0.1, picturesPerS: 24.5, freezes: 0.8, kbps: 700 },
] as const;

for (const { delayMs, lossBurst, loss, ...least } of PATHS) {
  const name = `${100 * loss} % of the packets lost, ${lossBurst} in a row, round trip ${
    2 * delayMs
  } ms`;
  Deno.test(`loss: pictures keep coming with ${name}`, () => {
    const seen = SEEDS.map((seed) => watch(seed, { delayMs, loss, lossBurst }));
    const picturesPerS = mean(seen.map((each) => each.picturesPerS));
    const freezes = mean(seen.map((each) => each.freezes));
    const kbps = mean(seen.map((each) => each.kbps));
    assert.ok(
      picturesPerS >= least.picturesPerS && freezes <= least.freezes && kbps >= least.kbps,
      JSON.stringify({ picturesPerS, freezes, kbps }),
    );
  });
}
