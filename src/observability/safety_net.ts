import { type Clock, SYSTEM_CLOCK } from "../base/clock.ts";
import { errorText } from "../base/errors.ts";
import { stackOf } from "../base/guard.ts";
import type { Logger } from "../base/log.ts";
import type { Meter } from "../base/meter.ts";

/** Lines of the log in a minute: a defect that comes back with every packet must not fill the disk. */
const LINES_PER_MINUTE_MAX = 20;
const MINUTE_MS = 60_000;

/**
 * The last resort: an error that nothing caught, or a promise that was rejected and that nothing awaits, would end the
 * process and with it every viewer. From now on it is logged and counted, and the process goes on. Whatever comes here
 * is a defect: the part that it happened in should have ended alone.
 * @returns Takes the net away again.
 */
export function openSafetyNet(
  { log, meter, clock = SYSTEM_CLOCK }: { log: Logger; meter: Meter; clock?: Clock },
): Disposable {
  let minute = { sinceMs: clock.now(), lines: 0, suppressed: 0 };
  const note = (kind: "unhandled_rejection" | "uncaught_error", error: unknown) => {
    meter.count("unexpected_errors_total", { kind });
    const nowMs = clock.now();
    const before = minute.suppressed;
    if (nowMs - minute.sinceMs >= MINUTE_MS) minute = { sinceMs: nowMs, lines: 0, suppressed: 0 };
    if (minute.lines >= LINES_PER_MINUTE_MAX) {
      minute.suppressed++;
      return;
    }
    minute.lines++;
    const suppressed = minute.lines === 1 && before > 0 ? before : undefined;
    log.error("unexpected_error", { kind, error: errorText(error), suppressed });
    log.debug("unexpected_error_stack", { kind, stack: stackOf(error) });
  };
  const stop = new AbortController();
  const { signal } = stop;
  addEventListener("unhandledrejection", (event) => {
    event.preventDefault();
    note("unhandled_rejection", event.reason);
  }, { signal });
  addEventListener("error", (event) => {
    event.preventDefault();
    note("uncaught_error", event.error);
  }, { signal });
  return { [Symbol.dispose]: () => stop.abort() };
}
