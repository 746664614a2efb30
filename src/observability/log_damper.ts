import type { Clock } from "../base/clock.ts";
import type { LogFields, LogLevel } from "../base/log.ts";
import { Tally } from "../base/tally.ts";
import type { TokenRate } from "../base/token_bucket.ts";

/**
 * Rate limit of each event. Warnings and errors are meant to be read one by one; at `info` the joins and ends of many
 * viewers fit. Clients can cause about 30 events, so a flood of all of them writes fewer than 100 lines a second in the
 * long run.
 */
const LINES: Readonly<Record<LogLevel, TokenRate>> = {
  debug: { perSecond: 5, burst: 100 },
  info: { perSecond: 5, burst: 100 },
  warn: { perSecond: 1, burst: 20 },
  error: { perSecond: 1, burst: 20 },
};

/** Writes one event. */
export type Emit = (level: LogLevel, event: string, fields: LogFields) => void;

/**
 * Limits the rate of log events: otherwise any client could cause an unlimited number of lines and fill the disk. Each
 * event name at each level has a separate limit, shared by all children of the logger. The latest suppressed event is
 * written when the limit allows, and its field `suppressed` has the number of the others. Event names are literals of
 * this program, so their number is limited.
 */
export class LogDamper {
  readonly #clock: Clock;
  readonly #emit: Emit;
  readonly #tallies = new Map<string, Tally<LogFields>>();

  constructor(clock: Clock, emit: Emit) {
    this.#clock = clock;
    this.#emit = emit;
  }

  /** Writes an event now, or later, or counts it. */
  emit(level: LogLevel, event: string, fields: LogFields): void {
    const name = `${level} ${event}`;
    let tally = this.#tallies.get(name);
    if (tally === undefined) {
      tally = new Tally(this.#clock, (count, latest) => {
        this.#emit(level, event, count > 1 ? { ...latest, suppressed: count - 1 } : latest);
      }, LINES[level]);
      this.#tallies.set(name, tally);
    }
    tally.add(fields);
  }

  /** Writes the suppressed events. */
  flush(): void {
    for (const tally of this.#tallies.values()) tally.flush();
  }
}
