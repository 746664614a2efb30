import type { Clock } from "./clock.ts";
import type { LogFields, Logger } from "./log.ts";

/** How long a line counts against the next ones, in milliseconds. */
const INTERVAL_MS = 1000;

/** How many lines are written. */
export interface LogThrottleOptions {
  /** Of each event, within a second. Default: 1. */
  readonly perSecond?: number;
}

/** Lines about what somebody may cause without end. What was left out is counted in the next one. */
export class LogThrottle {
  readonly #log: Logger;
  readonly #clock: Clock;
  readonly #perSecond: number;
  readonly #events = new Map<string, { sinceMs: number; written: number; suppressed: number }>();

  constructor(log: Logger, clock: Clock, { perSecond = 1 }: LogThrottleOptions = {}) {
    this.#log = log;
    this.#clock = clock;
    this.#perSecond = perSecond;
  }

  /** Writes a warning, or counts it. */
  warn(event: string, fields: LogFields): void {
    const noted = this.#note(event);
    if (noted !== undefined) this.#log.warn(event, { ...fields, ...noted });
  }

  /** Writes an error, or counts it. */
  error(event: string, fields: LogFields): void {
    const noted = this.#note(event);
    if (noted !== undefined) this.#log.error(event, { ...fields, ...noted });
  }

  /** @returns What the line says of those before it; `undefined` when it is not to be written. */
  #note(event: string): { readonly suppressed: number | undefined } | undefined {
    const nowMs = this.#clock.now();
    const known = this.#events.get(event);
    const isRecent = known !== undefined && nowMs - known.sinceMs < INTERVAL_MS;
    if (isRecent && known.written < this.#perSecond) {
      known.written++;
    } else if (isRecent) {
      known.suppressed++;
      return undefined;
    } else {
      this.#events.set(event, { sinceMs: nowMs, written: 1, suppressed: 0 });
    }
    const suppressed = isRecent || known?.suppressed === 0 ? undefined : known?.suppressed;
    return { suppressed };
  }
}
