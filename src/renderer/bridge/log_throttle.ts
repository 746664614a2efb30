import type { Clock } from "../../base/clock.ts";
import type { LogFields, Logger } from "../../base/log.ts";

/** Each event is written at most once in this time, in milliseconds. */
const INTERVAL_MS = 1000;

/** Warnings about somebody who may cause them without end. What was left out is counted in the next one. */
export class LogThrottle {
  readonly #log: Logger;
  readonly #clock: Clock;
  readonly #events = new Map<string, { writtenMs: number; suppressed: number }>();

  constructor(log: Logger, clock: Clock) {
    this.#log = log;
    this.#clock = clock;
  }

  /** Writes a warning, or counts it. */
  warn(event: string, fields: LogFields): void {
    const nowMs = this.#clock.now();
    const known = this.#events.get(event);
    if (known !== undefined && nowMs - known.writtenMs < INTERVAL_MS) {
      known.suppressed++;
      return;
    }
    this.#events.set(event, { writtenMs: nowMs, suppressed: 0 });
    const suppressed = known?.suppressed === 0 ? undefined : known?.suppressed;
    this.#log.warn(event, { ...fields, suppressed });
  }
}
