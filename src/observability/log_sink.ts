import { type Clock, SYSTEM_CLOCK } from "../base/clock.ts";
import { LOG_LEVELS, type LogFields, type Logger, type LogLevel } from "../base/log.ts";
import {
  formatColoured,
  formatJson,
  formatPretty,
  type LogEntry,
  priorityPrefix,
} from "./log_format.ts";

/** How log lines look: `auto` is `pretty` on a terminal and `json` elsewhere. */
export type LogFormat = "auto" | "pretty" | "json";

/** What a log sink is made of. */
export interface LogSinkOptions {
  readonly format: LogFormat;
  /** Least severe level that is written. */
  readonly level: LogLevel;
  /** Whether `write` ends on a terminal: decides `auto`, and whether `pretty` has colours. */
  readonly isTerminal: boolean;
  /** Whether `write` ends in systemd's journal: each line then begins with its priority. Default: false. */
  readonly isJournal?: boolean;
  /** Takes one line, without its end. */
  readonly write: (line: string) => void;
  /** Default: the host's clock. */
  readonly clock?: Clock;
}

/** Where the program's events end up. */
export interface LogSink {
  readonly logger: Logger;
  /** Least severe level that is written; takes effect at once, for every child of the logger too. */
  level: LogLevel;
}

/** Opens a log. Whatever a peer put into a value, each event is one line and cannot look like another. */
export function createLogSink(options: LogSinkOptions): LogSink {
  const { write, isTerminal, isJournal = false, clock = SYSTEM_CLOCK } = options;
  const format = lineFormat(options.format, isTerminal);
  const emit = (level: LogLevel, event: string, fields: LogFields): void => {
    if (LOG_LEVELS.indexOf(level) < LOG_LEVELS.indexOf(sink.level)) return;
    const line = format({ wallMs: clock.wallMs(), level, event, fields });
    write(isJournal ? `${priorityPrefix(level)}${line}` : line);
  };
  const sink: LogSink = { level: options.level, logger: makeLogger(emit, {}) };
  return sink;
}

type Emit = (level: LogLevel, event: string, fields: LogFields) => void;

/** A logger that adds `context` to every event and hands it to `emit`. */
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

/** How often a repeated event is written, in milliseconds. */
const REPEAT_INTERVAL_MS = 1000;

/** A logger that holds back repetitions; closing it writes what it still holds. */
export interface RateLimitedLogger extends Logger, Disposable {}

/**
 * Wraps a logger for events that peers can cause as fast as they send packets. The first event of a name is written at
 * once; what follows within a second is counted, and the last of it is written when the second is over, with
 * `suppressed` telling how many more there were. Names are counted together over all children. Event names are
 * literals of this program, so the list of them has a limit.
 */
export function rateLimitedLogger(logger: Logger, clock: Clock): RateLimitedLogger {
  const repeats = new Map<string, Repeat>();

  const startInterval = (name: string): void => {
    const cancel = clock.after(REPEAT_INTERVAL_MS, () => {
      const repeat = repeats.get(name);
      repeats.delete(name);
      if (repeat?.writeLast === undefined) return;
      startInterval(name);
      repeat.writeLast(repeat.count - 1);
    });
    repeats.set(name, { cancel, count: 0, writeLast: undefined });
  };

  const limited = (target: Logger): Logger => {
    const at = (level: LogLevel) => (event: string, fields: LogFields = {}): void => {
      const name = `${level} ${event}`;
      const repeat = repeats.get(name);
      if (repeat === undefined) {
        startInterval(name);
        return target[level](event, fields);
      }
      repeat.count++;
      repeat.writeLast = (suppressed) =>
        target[level](event, suppressed > 0 ? { ...fields, suppressed } : fields);
    };
    return {
      debug: at("debug"),
      info: at("info"),
      warn: at("warn"),
      error: at("error"),
      child: (fields) => limited(target.child(fields)),
    };
  };

  return {
    ...limited(logger),
    [Symbol.dispose]() {
      for (const { cancel, count, writeLast } of repeats.values()) {
        cancel();
        writeLast?.(count - 1);
      }
      repeats.clear();
    },
  };
}

/** One event name that was written less than an interval ago. */
interface Repeat {
  readonly cancel: () => void;
  /** Events held back. */
  count: number;
  /** Writes the last of them; `undefined` while there is none. */
  writeLast: ((suppressed: number) => void) | undefined;
}
