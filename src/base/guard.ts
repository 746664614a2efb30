import { errorText } from "./errors.ts";
import type { Logger } from "./log.ts";
import type { SharedMeter } from "./shared_metrics.ts";

/** Where a failure that was not foreseen ended: what it cost is one of these, and no more. */
export type GuardedPart = "viewer" | "session" | "timer";

/** Who learns of a failure that was not foreseen. */
export interface GuardOptions {
  readonly log: Logger;
  readonly meter: SharedMeter;
  readonly part: GuardedPart;
}

/**
 * Does work whose failure must cost nobody else anything: what it throws is logged and counted, and goes no further.
 * @returns Whether the work came to its end.
 */
export function guarded(work: () => void, { log, meter, part }: GuardOptions): boolean {
  try {
    work();
    return true;
  } catch (error) {
    try {
      log.error("unexpected_error", { kind: part, error: errorText(error) });
      log.debug("unexpected_error_stack", { kind: part, stack: stackOf(error) });
      meter.count("unexpected_errors_total", { kind: part });
    } catch {
      // A log or a meter that throws is what failed, perhaps; there is nobody left to tell.
    }
    return false;
  }
}

/** Where an error was thrown; `undefined` for what is no error. */
export function stackOf(error: unknown): string | undefined {
  return error instanceof Error ? error.stack : undefined;
}
