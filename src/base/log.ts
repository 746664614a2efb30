/** Severity of a log event, least severe first. */
export const LOG_LEVELS = ["debug", "info", "warn", "error"] as const;
/** One of {@link LOG_LEVELS}. */
export type LogLevel = typeof LOG_LEVELS[number];

/** Values of a log field; `undefined` fields are omitted. */
export type LogFields = Readonly<Record<string, string | number | boolean | undefined>>;

/**
 * Writes events: a stable name in snake_case and fields, never prose. Fields must not contain secrets (tokens, ICE
 * passwords, viewer ids); the caller shortens addresses.
 */
export interface Logger {
  debug(event: string, fields?: LogFields): void;
  info(event: string, fields?: LogFields): void;
  warn(event: string, fields?: LogFields): void;
  error(event: string, fields?: LogFields): void;
  /** A logger that adds `fields` to each of its events. */
  child(fields: LogFields): Logger;
}

/** Drops every event. */
export const NULL_LOGGER: Logger = {
  debug() {},
  info() {},
  warn() {},
  error() {},
  child: () => NULL_LOGGER,
};
