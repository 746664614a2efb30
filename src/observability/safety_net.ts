import { errorText } from "../base/errors.ts";
import { stackOf } from "../base/guard.ts";
import type { Logger } from "../base/log.ts";
import type { SharedMeter } from "../base/shared_metrics.ts";

/**
 * The last resort: an error that nothing caught, or a promise that was rejected and that nothing awaits, would end the
 * process and with it every viewer. From now on it is logged and counted, and the process goes on. Whatever comes here
 * is a defect: the part that it happened in should have ended alone.
 * @returns Takes the net away again.
 */
export function openSafetyNet(
  { log, meter }: { log: Logger; meter: SharedMeter },
): Disposable {
  const note = (kind: "unhandled_rejection" | "uncaught_error", error: unknown) => {
    meter.count("unexpected_errors_total", { kind });
    log.error("unexpected_error", { kind, error: errorText(error) });
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
