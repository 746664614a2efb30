import type { Clock } from "../base/clock.ts";
import type { LogFields, LogLevel } from "../base/log.ts";
import { Tally } from "../base/tally.ts";
import type { TokenRate } from "../base/token_bucket.ts";

/**
 * How many lines one event may have. Warnings and errors are for somebody who looks at each; of viewers who come and go a
 * crowd fits whole. With some 30 events that strangers can cause, a flood of all of them at once writes fewer than 100
 * lines a second in the long run.
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
 * Holds back what comes too fast: anybody who can send a packet or a request can cause lines without end, which would
 * fill a disk. Each event of a level has its own allowance, over all children of the logger. The last of those that were
 * held back is written when its time has come, and `suppressed` says how many more there were. Names of events are
 * literals of this program, so the list of them has a limit.
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

  /** Writes what is held back. */
  flush(): void {
    for (const tally of this.#tallies.values()) tally.flush();
  }
}
