import process from "node:process";
import type { Counter, CounterConfiguration, Gauge, Histogram, Registry } from "prom-client";
import {
  ANY,
  type AnyMeter,
  type MetricDefinition,
  type MetricLabels,
  type MetricTable,
} from "../base/meter.ts";
import { prom } from "./prom_client.ts";

/** Prefix of every metric of the table. */
export const METRIC_PREFIX = "pinhole_";

const LAG = [0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5] as const;

/** Metrics of the program itself. */
export const OBSERVABILITY_METRICS = {
  build_info: {
    kind: "gauge",
    help: "Always 1; the labels are the versions of Pinhole and Deno.",
    labels: { version: ANY, deno: ANY },
  },
  event_loop_lag_seconds: {
    kind: "histogram",
    help: "How late a timer on the event loop fired.",
    buckets: LAG,
  },
} as const satisfies MetricTable;

/** Metrics of the process, with the standard names of Prometheus. */
export const PROCESS_METRICS = {
  process_resident_memory_bytes: {
    kind: "gauge",
    help: "Resident memory of the process, in bytes.",
  },
  process_start_time_seconds: {
    kind: "gauge",
    help: "Start time of the process, in seconds since 1970.",
  },
  process_heap_bytes: {
    kind: "gauge",
    help: "Memory of JavaScript objects, in bytes, without pictures and encoders.",
  },
  process_cpu_seconds_total: {
    kind: "counter",
    help: "CPU time of the process, user and system, in seconds.",
  },
} as const satisfies MetricTable;

/** A meter with its output. */
export interface Metrics {
  /** @throws {TypeError} For a name of another kind, or labels other than those of the table. */
  readonly meter: AnyMeter;
  /** All metrics in Prometheus' text format, version 0.0.4. */
  readonly metricsText: () => Promise<string>;
}

/** A metric of prom-client, with the names of its labels. */
interface Registered<Metric> {
  readonly metric: Metric;
  readonly labels: readonly string[];
}

/** Makes a separate registry with every metric of a table and those of the process. */
export function createMetrics(table: MetricTable): Metrics {
  const registry = new prom.Registry();
  const counters = new Map<string, Registered<Counter>>();
  const tallies = new Map<string, Tally>();
  const gauges = new Map<string, Registered<Gauge>>();
  const histograms = new Map<string, Registered<Histogram>>();
  for (const [name, definition] of Object.entries(table)) {
    const { kind, buckets = [] } = definition;
    const labels = Object.keys(definition.labels ?? {});
    const configuration = configure(name, definition, registry);
    if (kind === "counter" && labels.length === 0) {
      tallies.set(name, createTally(configuration));
    } else if (kind === "counter") {
      const counter = new prom.Counter(configuration);
      for (const series of initialSeries(definition)) counter.inc(series, 0);
      counters.set(name, { metric: counter, labels });
    }
    if (kind === "gauge") gauges.set(name, { metric: new prom.Gauge(configuration), labels });
    if (kind === "histogram") {
      const histogram = new prom.Histogram({ ...configuration, buckets: [...buckets] });
      histograms.set(name, { metric: histogram, labels });
    }
  }
  addProcessMetrics(registry);
  return {
    meter: {
      count(name, labels = {}, by = 1) {
        const tally = tallies.get(name);
        if (tally !== undefined && isEmpty(labels)) tally.pending += by;
        else find(counters, name, labels).inc(labels, by);
      },
      gauge: (name, value, labels = {}) => find(gauges, name, labels).set(labels, value),
      observe: (name, value, labels = {}) => find(histograms, name, labels).observe(labels, value),
    },
    metricsText: () => registry.metrics(),
  };
}

/** A counter without labels. Some count every packet, and prom-client would take longer than the packet's encryption. */
interface Tally {
  /** Count that is not added to prom-client yet. */
  pending: number;
}

function createTally(configuration: CounterConfiguration<string>): Tally {
  const tally = { pending: 0 };
  new prom.Counter({
    ...configuration,
    collect() {
      this.inc(tally.pending);
      tally.pending = 0;
    },
  });
  return tally;
}

function isEmpty(labels: MetricLabels): boolean {
  for (const _ in labels) return false;
  return true;
}

/** The series of a counter that are shown with 0 from the start. */
export function initialSeries({ kind, labels = {} }: MetricDefinition): MetricLabels[] {
  const [[label, values] = [], another] = Object.entries(labels);
  if (kind !== "counter" || label === undefined || another !== undefined) return [];
  return values === undefined || values === ANY ? [] : values.map((value) => ({ [label]: value }));
}

function configure(name: string, { help, labels = {} }: MetricDefinition, registry: Registry) {
  return {
    name: `${METRIC_PREFIX}${name}`,
    help,
    labelNames: Object.keys(labels),
    registers: [registry],
  };
}

/**
 * Finds a metric by name among those of one kind. prom-client rejects unknown labels but not missing ones, which would
 * start a separate series.
 */
function find<Metric>(
  metrics: ReadonlyMap<string, Registered<Metric>>,
  name: string,
  labels: MetricLabels,
): Metric {
  const registered = metrics.get(name);
  if (registered === undefined) {
    throw new TypeError(`Metric "${name}" does not take this kind of measurement`);
  }
  const { metric, labels: expected } = registered;
  const given = Object.keys(labels);
  if (given.length === expected.length && expected.every((label) => label in labels)) return metric;
  throw new TypeError(
    `Metric "${name}" has the labels [${expected.join(", ")}], not [${given.join(", ")}]`,
  );
}

/** Read at each scrape: prom-client's own collection needs /proc and Node's internals, which Deno does not have. */
function addProcessMetrics(registry: Registry): void {
  const named = (name: keyof typeof PROCESS_METRICS) => ({
    name,
    help: PROCESS_METRICS[name].help,
    registers: [registry],
  });
  new prom.Gauge({
    ...named("process_resident_memory_bytes"),
    collect() {
      this.set(Deno.memoryUsage().rss);
    },
  });
  new prom.Gauge({
    ...named("process_heap_bytes"),
    collect() {
      this.set(Deno.memoryUsage().heapTotal);
    },
  });
  new prom.Gauge({
    ...named("process_start_time_seconds"),
    collect() {
      this.set(performance.timeOrigin / 1000);
    },
  });
  new prom.Counter({
    ...named("process_cpu_seconds_total"),
    collect() {
      const { user, system } = process.cpuUsage();
      this.reset();
      this.inc((user + system) / 1e6);
    },
  });
}
