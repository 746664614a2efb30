import type { AppMeter, MetricName, METRICS } from "../../../src/app/metrics.ts";
import type { MetricLabels, Series } from "../../../src/base/meter.ts";

/** Adds measurements up for a test to look at. */
export class RecordingMeter implements AppMeter {
  readonly #sums = new Map<string, number>();
  /** Values of each histogram, in the order in which they came. */
  readonly #observed = new Map<string, number[]>();

  count(...[name, labels = {}, by = 1]: Parameters<AppMeter["count"]>): void {
    const key = keyOf(name, labels);
    this.#sums.set(key, (this.#sums.get(key) ?? 0) + by);
  }

  gauge(...[name, value, labels = {}]: Parameters<AppMeter["gauge"]>): void {
    this.#sums.set(keyOf(name, labels), value);
  }

  observe(...[name, value, labels = {}]: Parameters<AppMeter["observe"]>): void {
    const key = keyOf(name, labels);
    this.#observed.set(key, [...(this.#observed.get(key) ?? []), value]);
  }

  /** A counter's sum or a gauge's value for exactly these labels; 0 where nothing was measured. */
  value(...[name, labels = {}]: Series<typeof METRICS, "counter" | "gauge">): number {
    return this.#sums.get(keyOf(name, labels)) ?? 0;
  }

  /** What a histogram was given, in order. */
  observed(...[name, labels = {}]: Series<typeof METRICS, "histogram">): readonly number[] {
    return this.#observed.get(keyOf(name, labels)) ?? [];
  }
}

/** The compiler has seen to it that the labels are those of the metric. */
function keyOf(name: MetricName, labels: MetricLabels): string {
  const given = Object.keys(labels).sort();
  return [name, ...given.map((label) => `${label}=${labels[label]}`)].join(" ");
}
