import { errorText } from "../base/errors.ts";
import { stackOf } from "../base/guard.ts";
import type { Logger } from "../base/log.ts";
import type { SharedMeter } from "../base/shared_metrics.ts";

/**
 * Installs handlers for uncaught errors and unhandled promise rejections, which would end the process and all viewers.
 * They are logged and counted instead, and the process continues. Each one is a defect: the part in which it happened
 * should have handled it.
 * @returns Removes the handlers.
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
