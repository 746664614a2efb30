import { errorText } from "./errors.ts";
import type { Logger } from "./log.ts";
import type { SharedMeter } from "./shared_metrics.ts";

/** The part that an unexpected failure ended. */
export type GuardedPart = "viewer" | "session" | "timer";

/** Log and meter for unexpected failures. */
export interface GuardOptions {
  readonly log: Logger;
  readonly meter: SharedMeter;
  readonly part: GuardedPart;
}

/**
 * Runs work whose failure must not affect anything else: an error is logged and counted, and not thrown.
 * @returns Whether the work completed.
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
      // The log or the meter itself may have failed; there is nowhere left to report it.
    }
    return false;
  }
}

/** The place where an error was thrown; `undefined` for values that are not errors. */
export function stackOf(error: unknown): string | undefined {
  return error instanceof Error ? error.stack : undefined;
}
