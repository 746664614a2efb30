import { type Meter, type MetricLabels, type MetricName, METRICS } from "../../src/base/meter.ts";

/** Adds measurements up for a test to look at. Names and labels that the table does not have fail the test. */
export class RecordingMeter implements Meter {
  readonly #sums = new Map<string, number>();
  /** Values of each histogram, in the order in which they came. */
  readonly #observed = new Map<string, number[]>();

  count(name: MetricName, labels: MetricLabels = {}, by = 1): void {
    const key = keyOf(name, labels);
    this.#sums.set(key, (this.#sums.get(key) ?? 0) + by);
  }

  gauge(name: MetricName, value: number, labels: MetricLabels = {}): void {
    this.#sums.set(keyOf(name, labels), value);
  }

  observe(name: MetricName, value: number, labels: MetricLabels = {}): void {
    const key = keyOf(name, labels);
    this.#observed.set(key, [...(this.#observed.get(key) ?? []), value]);
  }

  /** A counter's sum or a gauge's value for exactly these labels; 0 where nothing was measured. */
  value(name: MetricName, labels: MetricLabels = {}): number {
    return this.#sums.get(keyOf(name, labels)) ?? 0;
  }

  /** What a histogram was given, in order. */
  observed(name: MetricName, labels: MetricLabels = {}): readonly number[] {
    return this.#observed.get(keyOf(name, labels)) ?? [];
  }
}

function keyOf(name: MetricName, labels: MetricLabels): string {
  const { labels: expected = [] } = METRICS[name] as { labels?: readonly string[] };
  const given = Object.keys(labels).sort();
  if (given.join() !== [...expected].sort().join()) {
    throw new TypeError(`Metric "${name}" has the labels [${expected}], not [${given}]`);
  }
  return [name, ...given.map((label) => `${label}=${labels[label]}`)].join(" ");
}
