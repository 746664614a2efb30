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
export interface LogSink extends Disposable {
  readonly logger: Logger;
  /** Least severe level that is written; takes effect at once, for every child of the logger too. */
  level: LogLevel;
}

/**
 * Opens a log. Whatever a peer put into a value, each event is one line and cannot look like another; however often peers
 * cause it, it has few lines ({@link LogDamper}). Disposing of it writes what is held back.
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
