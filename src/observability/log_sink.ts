import { type Clock, SYSTEM_CLOCK } from "../base/clock.ts";
import { LOG_LEVELS, type LogFields, type Logger, type LogLevel } from "../base/log.ts";
import {
  formatColoured,
  formatJson,
  formatPretty,
  type LogEntry,
  priorityPrefix,
} from "./log_format.ts";
import { Tally } from "../base/tally.ts";
import type { TokenRate } from "../base/token_bucket.ts";

/** Format of log lines: `auto` is `pretty` on a terminal and `json` elsewhere. */
export type LogFormat = "auto" | "pretty" | "json";

/** Options of {@link createLogSink}. */
export interface LogSinkOptions {
  readonly format: LogFormat;
  /** Lowest level that is written. */
  readonly level: LogLevel;
  /** Whether `write` prints to a terminal: decides `auto`, and whether `pretty` has colours. */
  readonly isTerminal: boolean;
  /** Whether `write` prints to systemd's journal: then each line starts with its priority. Default: false. */
  readonly isJournal?: boolean;
  /** Writes one line, given without its line end. */
  readonly write: (line: string) => void;
  /** Default: the host's clock. */
  readonly clock?: Clock;
}

/** Destination of the program's log events. */
export interface LogSink extends Disposable {
  readonly logger: Logger;
  /** Lowest level that is written; a change applies at once, also to every child of the logger. */
  level: LogLevel;
}

/**
 * Opens a log. Values are escaped, so that each event is one line and text from a peer cannot imitate another event;
 * the rate of each event is limited ({@link LogDamper}). Disposing it writes the suppressed events.
 */
export function createLogSink(options: LogSinkOptions): LogSink {
  const { write, isTerminal, isJournal = false, clock = SYSTEM_CLOCK } = options;
  const format = lineFormat(options.format, isTerminal);
  const damper = new LogDamper(clock, (level, event, fields) => {
    const line = format({ wallMs: clock.wallMs(), level, event, fields });
    write(isJournal ? `${priorityPrefix(level)}${line}` : line);
  });
  const emit: Emit = (level, event, fields) => {
    if (LOG_LEVELS.indexOf(level) < LOG_LEVELS.indexOf(sink.level)) return;
    damper.emit(level, event, fields);
  };
  const sink: LogSink = {
    level: options.level,
    logger: makeLogger(emit, {}),
    [Symbol.dispose]: () => damper.flush(),
  };
  return sink;
}

/** Makes a logger that adds `context` to every event and passes it to `emit`. */
function makeLogger(emit: Emit, context: LogFields): Logger {
  const at = (level: LogLevel) => (event: string, fields?: LogFields): void =>
    emit(level, event, { ...context, ...fields });
  return {
    debug: at("debug"),
    info: at("info"),
    warn: at("warn"),
    error: at("error"),
    child: (fields) => makeLogger(emit, { ...context, ...fields }),
  };
}

function lineFormat(format: LogFormat, isTerminal: boolean): (entry: LogEntry) => string {
  if (format === "json" || (format === "auto" && !isTerminal)) return formatJson;
  return isTerminal ? formatColoured : formatPretty;
}

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
type Emit = (level: LogLevel, event: string, fields: LogFields) => void;

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
