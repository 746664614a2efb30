import { residentMib } from "../bench/process_usage.ts";
import type { ServerProcess } from "../support/servers/server_process.ts";

const MS_PER_HOUR = 3_600_000;

/** Heights of a {@link sparkline}. */
const BARS = "▁▂▃▄▅▆▇█";

/** What the server held at a moment, and how late its timers fired since the sample before. */
export interface Sample {
  /** Since the start of the soak, in milliseconds. */
  readonly atMs: number;
  readonly residentMib: number;
  /** JavaScript's heap. */
  readonly heapMib: number;
  /** Open file descriptors. */
  readonly descriptors: number;
  readonly sessions: number;
  /** Places on media ports that somebody holds. */
  readonly places: number;
  readonly lagMeanMs: number;
  /** Upper bound of the histogram's bucket in which the latest timer was. */
  readonly lagWorstMs: number;
}

/** Figures of a sample that can be put into a row. */
export type SampleKey = Exclude<keyof Sample, "atMs">;

/** Looks at a server again and again. */
export class Sampler {
  readonly #server: ServerProcess;
  readonly #startedMs = performance.now();
  #before = new Map<string, number>();

  constructor(server: ServerProcess) {
    this.#server = server;
  }

  /** Takes a sample. */
  async take(): Promise<Sample> {
    const { pid } = this.#server;
    const metrics = await this.#metrics();
    const since = (series: string) => (metrics.get(series) ?? 0) - (this.#before.get(series) ?? 0);
    const lag = "pinhole_event_loop_lag_seconds";
    const sample: Sample = {
      atMs: performance.now() - this.#startedMs,
      residentMib: await residentMib(pid),
      heapMib: (metrics.get("process_heap_bytes") ?? Number.NaN) / 2 ** 20,
      descriptors: [...Deno.readDirSync(`/proc/${pid}/fd`)].length,
      sessions: metrics.get("pinhole_sessions") ?? Number.NaN,
      places: sumOf(metrics, /^pinhole_port_places\{.*state="used"/),
      lagMeanMs: 1000 * since(`${lag}_sum`) / Math.max(1, since(`${lag}_count`)),
      lagWorstMs: 1000 * worstBucket(metrics, since),
    };
    this.#before = metrics;
    return sample;
  }

  /** Every series of `/metrics` with its labels, as the text has it. */
  async #metrics(): Promise<Map<string, number>> {
    const response = await fetch(`${this.#server.origin}/metrics`);
    const lines = (await response.text()).split("\n").filter((line) => /^\w/.test(line));
    return new Map(lines.map((line) => {
      const at = line.lastIndexOf(" ");
      return [line.slice(0, at), Number(line.slice(at + 1))];
    }));
  }
}

/** Growth of a figure in an hour, by least squares. NaN for fewer than two samples. */
export function slopePerHour(samples: readonly Sample[], key: SampleKey): number {
  const mean = (of: (sample: Sample) => number) =>
    samples.reduce((sum, sample) => sum + of(sample), 0) / samples.length;
  const [x, y] = [mean(({ atMs }) => atMs), mean((sample) => sample[key])];
  const rise = mean((sample) => (sample.atMs - x) * (sample[key] - y));
  return MS_PER_HOUR * rise / mean(({ atMs }) => (atMs - x) ** 2);
}

/** A row of bars, each the mean of its part of the samples, between the lowest and the highest value. */
export function sparkline(
  samples: readonly Sample[],
  { key, columns }: { key: SampleKey; columns: number },
): string {
  const width = Math.min(columns, samples.length);
  const parts = Array.from({ length: width }, (_, column) => {
    const from = Math.floor(column * samples.length / width);
    const part = samples.slice(from, Math.floor((column + 1) * samples.length / width));
    return part.reduce((sum, sample) => sum + sample[key], 0) / part.length;
  });
  const [low, high] = [Math.min(...parts), Math.max(...parts)];
  const step = (value: number) =>
    high === low ? 0 : Math.round((BARS.length - 1) * (value - low) / (high - low));
  return parts.map((value) => BARS[step(value)]).join("");
}

function sumOf(metrics: ReadonlyMap<string, number>, series: RegExp): number {
  return [...metrics].reduce((sum, [name, value]) => series.test(name) ? sum + value : sum, 0);
}

/** The bound that all observations since the last sample were within, in seconds. */
function worstBucket(
  metrics: ReadonlyMap<string, number>,
  since: (series: string) => number,
): number {
  const counts = [...metrics.keys()].flatMap((series) => {
    const bound = /^pinhole_event_loop_lag_seconds_bucket\{.*le="(.*)"\}/.exec(series)?.[1];
    return bound === undefined ? [] : [{ bound: Number(bound), count: since(series) }];
  });
  const all = Math.max(...counts.map(({ count }) => count));
  if (!(all > 0)) return 0;
  const within = counts.filter(({ count }) => count === all).map(({ bound }) => bound);
  return Math.min(...within.map((bound) => Number.isNaN(bound) ? Infinity : bound));
}
