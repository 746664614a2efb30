import { type Clock, SYSTEM_CLOCK } from "../base/clock.ts";
import { LOG_LEVELS, type LogFields, type Logger, type LogLevel } from "../base/log.ts";
import { type Emit, LogDamper } from "./log_damper.ts";
import {
  formatColoured,
  formatJson,
  formatPretty,
  type LogEntry,
  priorityPrefix,
} from "./log_format.ts";

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
