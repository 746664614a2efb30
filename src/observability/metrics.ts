import process from "node:process";
import { Counter, Gauge, Histogram, Registry } from "prom-client";
import {
  type Meter,
  type MetricDefinition,
  type MetricLabels,
  type MetricName,
  METRICS,
} from "../base/meter.ts";

/** Stands before the name of every metric of the table, so that they stand together in any collection. */
export const METRIC_PREFIX = "pinhole_";

/** Metrics of the process itself, under the names that Prometheus' own dashboards look for. */
export const PROCESS_METRICS = {
  process_resident_memory_bytes: {
    kind: "gauge",
    help: "Memory of the process that is in RAM, in bytes.",
  },
  process_start_time_seconds: {
    kind: "gauge",
    help: "When the process began, in seconds since 1970.",
  },
  process_heap_bytes: {
    kind: "gauge",
    help: "Memory of JavaScript objects, in bytes; pictures and encoders are not in it.",
  },
  process_cpu_seconds_total: {
    kind: "counter",
    help: "CPU time of the process, user and system, in seconds.",
  },
} as const satisfies Record<string, MetricDefinition>;

/** A meter and the text that it adds up to. */
export interface Metrics {
  /** @throws {TypeError} For a name of another kind, or labels other than those of the table. */
  readonly meter: Meter;
  /** All metrics in Prometheus' text format, version 0.0.4. */
  readonly metricsText: () => Promise<string>;
}

/** Makes a registry of its own with every metric of {@link METRICS} and those of the process. */
export function createMetrics(): Metrics {
  const registry = new Registry();
  const counters = new Map<string, Counter>();
  const gauges = new Map<string, Gauge>();
  const histograms = new Map<string, Histogram>();
  for (const [name, definition] of Object.entries(METRICS) as [string, MetricDefinition][]) {
    const { kind, buckets = [], labels: [label] = [], values = [] } = definition;
    const configuration = configure(name, definition, registry);
    if (kind === "counter") {
      const counter = new Counter(configuration);
      for (const value of values) if (label !== undefined) counter.inc({ [label]: value }, 0);
      counters.set(name, counter);
    }
    if (kind === "gauge") gauges.set(name, new Gauge(configuration));
    if (kind === "histogram") {
      histograms.set(name, new Histogram({ ...configuration, buckets: [...buckets] }));
    }
  }
  addProcessMetrics(registry);
  return {
    meter: {
      count: (name, labels = {}, by = 1) => find(counters, name, labels).inc(labels, by),
      gauge: (name, value, labels = {}) => find(gauges, name, labels).set(labels, value),
      observe: (name, value, labels = {}) => find(histograms, name, labels).observe(labels, value),
    },
    metricsText: () => registry.metrics(),
  };
}

function configure(name: string, { help, labels = [] }: MetricDefinition, registry: Registry) {
  return {
    name: `${METRIC_PREFIX}${name}`,
    help,
    labelNames: [...labels],
    registers: [registry],
  };
}

/** The metric of that name among those of one kind. */
function find<Metric>(
  metrics: ReadonlyMap<string, Metric>,
  name: MetricName,
  labels: MetricLabels,
): Metric {
  const metric = metrics.get(name);
  if (metric === undefined) {
    throw new TypeError(`Metric "${name}" does not take this kind of measurement`);
  }
  checkLabels(name, labels);
  return metric;
}

/** prom-client checks for labels too many, not for labels too few, which would start a series of its own. */
function checkLabels(name: MetricName, labels: MetricLabels): void {
  const definition: MetricDefinition = METRICS[name];
  const expected = definition.labels ?? [];
  const given = Object.keys(labels);
  if (given.length === expected.length && expected.every((label) => label in labels)) return;
  throw new TypeError(
    `Metric "${name}" has the labels [${expected.join(", ")}], not [${given.join(", ")}]`,
  );
}

/** Read when someone asks: prom-client's own collection reads /proc and Node's internals, which Deno has not. */
function addProcessMetrics(registry: Registry): void {
  const named = (name: keyof typeof PROCESS_METRICS) => ({
    name,
    help: PROCESS_METRICS[name].help,
    registers: [registry],
  });
  new Gauge({
    ...named("process_resident_memory_bytes"),
    collect() {
      this.set(Deno.memoryUsage().rss);
    },
  });
  new Gauge({
    ...named("process_heap_bytes"),
    collect() {
      this.set(Deno.memoryUsage().heapTotal);
    },
  });
  new Gauge({
    ...named("process_start_time_seconds"),
    collect() {
      this.set(performance.timeOrigin / 1000);
    },
  });
  new Counter({
    ...named("process_cpu_seconds_total"),
    collect() {
      const { user, system } = process.cpuUsage();
      this.reset();
      this.inc((user + system) / 1e6);
    },
  });
}
