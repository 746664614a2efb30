import { type CancelTimer, type Clock, SYSTEM_CLOCK } from "../base/clock.ts";
import type { Meter } from "../base/meter.ts";
import type { OBSERVABILITY_METRICS } from "./metrics.ts";

/** Interval of the measurement, in milliseconds: short enough to catch a stall, at negligible cost. */
const SAMPLE_INTERVAL_MS = 500;

/**
 * Measures how late timers fire, as `event_loop_lag_seconds`, until disposed. Media and signalling share one event
 * loop, so check this figure first if everything is late at once.
 */
export function measureEventLoopLag(
  meter: Meter<typeof OBSERVABILITY_METRICS>,
  clock: Clock = SYSTEM_CLOCK,
): Disposable {
  let cancel: CancelTimer;
  const sample = (): void => {
    const dueMs = clock.now() + SAMPLE_INTERVAL_MS;
    cancel = clock.after(SAMPLE_INTERVAL_MS, () => {
      const lateMs = clock.now() - dueMs;
      sample();
      // Timers have a resolution of a millisecond and may fire a fraction early.
      meter.observe("event_loop_lag_seconds", Math.max(0, lateMs) / 1000);
    });
  };
  sample();
  return { [Symbol.dispose]: () => cancel() };
}
