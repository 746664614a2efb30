import type { Meter } from "../base/meter.ts";
import { SHARED_METRICS } from "../base/shared_metrics.ts";
import { MEDIA_METRICS } from "../media/metrics.ts";
import { createMetrics, OBSERVABILITY_METRICS } from "../observability/metrics.ts";
import { PORT_METRICS } from "../ports/metrics.ts";
import { SESSION_METRICS } from "../session/metrics.ts";
import { SIGNALLING_METRICS } from "../signalling/metrics.ts";
import { TRANSPORT_METRICS } from "../transport/metrics.ts";

/**
 * Every metric of Pinhole, combined from the parts that count them. `/metrics` adds the prefix `pinhole_`; the table in
 * docs/metrics.md is generated from here.
 */
export const METRICS = {
  ...OBSERVABILITY_METRICS,
  ...SESSION_METRICS,
  ...SIGNALLING_METRICS,
  ...MEDIA_METRICS,
  ...TRANSPORT_METRICS,
  ...PORT_METRICS,
  ...SHARED_METRICS,
};

/** Name of a metric, without the prefix. */
export type MetricName = keyof typeof METRICS;

/** Accepts every measurement of Pinhole. */
export type AppMeter = Meter<typeof METRICS>;

/** Makes a meter of {@link METRICS}, with its output in Prometheus' text format. */
export function openMetrics(): { meter: AppMeter; metricsText: () => Promise<string> } {
  return createMetrics(METRICS);
}
