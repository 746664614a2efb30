import { type Figure, median } from "../bench/figure.ts";
import { type Sample, type SampleKey, slopePerHour, sparkline } from "./samples.ts";
import type { SoakOutcome } from "./soak.ts";

/** Part of a soak, from its start, in which code is compiled and memory finds its size. */
const WARM_UP = 0.3;

/** 32 MiB in an hour would be three quarters of a GiB in a day: whoever restarts a server weekly would notice. */
const GROWTH_MIB_PER_HOUR_AIM = 32;

/** Descriptors that a busy runtime may have open for a moment beyond what it began with. */
const SPARE_DESCRIPTORS = 5;

const PLOT_COLUMNS = 60;

const ROWS: readonly (readonly [key: SampleKey, name: string, unit: string])[] = [
  ["residentMib", "resident memory", "MiB"],
  ["heapMib", "heap", "MiB"],
  ["descriptors", "descriptors", ""],
  ["places", "places in use", ""],
  ["lagMeanMs", "lag of the event loop, mean", "ms"],
  ["lagWorstMs", "lag of the event loop, worst", "ms"],
];

/** Every row of samples as bars over the time, with its lowest and highest value. */
export function formatPlot(samples: readonly Sample[]): string {
  const nameWidth = Math.max(...ROWS.map(([, name]) => name.length));
  return ROWS.map(([key, name, unit]) => {
    const values = samples.map((sample) => sample[key]);
    const [low, high] = [Math.min(...values), Math.max(...values)].map((value) => value.toFixed(0));
    const bars = sparkline(samples, { key, columns: PLOT_COLUMNS });
    return `${name.padEnd(nameWidth)}  ${bars}  ${low} to ${high} ${unit}`.trimEnd();
  }).join("\n");
}

/** The verdict. */
export function judge(outcome: SoakOutcome): Figure[] {
  const { samples, before, after } = outcome;
  const warm = samples.slice(Math.floor(samples.length * WARM_UP));
  const growth = (key: SampleKey) => ({ value: slopePerHour(warm, key), unit: "MiB/h" });
  const count = (name: string, value: number) => ({ name, value, unit: "" });
  return [
    count("visits", outcome.visits),
    count("packets to the watchers", outcome.packets),
    count("answers of the renderer", outcome.answers),
    count("reconnections of the tunnel", outcome.reconnections),
    { ...count("watchers lost", outcome.watchersLost), aim: 1 },
    { ...count("visits that failed", outcome.visitsFailed), aim: 1 },
    {
      name: "resident memory after the warm-up, growth",
      ...growth("residentMib"),
      aim: GROWTH_MIB_PER_HOUR_AIM,
    },
    { name: "heap after the warm-up, growth", ...growth("heapMib"), aim: GROWTH_MIB_PER_HOUR_AIM },
    {
      name: "lag of the event loop, mean",
      value: median(warm.map(({ lagMeanMs }) => lagMeanMs)),
      unit: "ms",
    },
    {
      name: "lag of the event loop, worst",
      value: Math.max(...samples.map(({ lagWorstMs }) => lagWorstMs)),
      unit: "ms",
    },
    { ...count("sessions left at the end", after.sessions), aim: 1 },
    { ...count("places left at the end", after.places), aim: 1 },
    {
      ...count("descriptors more than at the start", after.descriptors - before.descriptors),
      aim: SPARE_DESCRIPTORS,
    },
    { ...count("errors in the log", outcome.errors), aim: 1 },
  ];
}
