import { ERROR_CODE_NAMES } from "../base/codes.ts";
import type { Meter, MetricTable } from "../base/meter.ts";
import type { SHARED_METRICS } from "../base/shared_metrics.ts";

/** Metrics of signalling. */
export const SIGNALLING_METRICS = {
  viewers_refused_total: {
    kind: "counter",
    help: "Offers and connections that were refused, by error code.",
    labels: { code: ERROR_CODE_NAMES },
  },
  path_checks_total: {
    kind: "counter",
    help: "Requests for a path check, by outcome.",
    labels: { outcome: ["opened", "refused"] },
  },
} as const satisfies MetricTable;

/** Records the metrics of signalling. */
export type SignallingMeter = Meter<typeof SIGNALLING_METRICS & typeof SHARED_METRICS>;
