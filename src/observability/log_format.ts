import type { LogFields, LogLevel } from "../base/log.ts";

/** One event, ready to be written. */
export interface LogEntry {
  /** Wall-clock milliseconds since 1970. */
  readonly wallMs: number;
  readonly level: LogLevel;
  readonly event: string;
  readonly fields: LogFields;
}

/** Maximum length of one field, in characters: it may contain text from a peer. */
export const LOG_VALUE_CHARS_MAX = 512;

/** Event names are padded to this many characters, enough for most, so that fields are aligned. */
const EVENT_COLUMN = 22;

/** Values that need no quotes: no space, quote, equals sign or control character. */
const BARE_WORD = /^[\w.:/@+,%-]+$/;

/**
 * C1 controls, line separators and bidirectional marks. JSON does not escape them, and each of them could make a peer's
 * text look like something else on a terminal.
 */
const DECEPTIVE = /[\u007f-\u009f\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff]/g;

const SGR = { dim: "\x1b[2m", reset: "\x1b[0m" } as const;
const LEVEL_SGR: Readonly<Record<LogLevel, string>> = {
  debug: "\x1b[2m",
  info: "\x1b[32m",
  warn: "\x1b[33m",
  error: "\x1b[31m",
};

/** Formats an event as `2026-01-31T12:00:00.000Z INFO  event_name  key=value …`; always one line. */
export function formatPretty({ wallMs, level, event, fields }: LogEntry): string {
  const columns = [time(wallMs), level.toUpperCase().padEnd(5), event.padEnd(EVENT_COLUMN)];
  return [...columns, ...prettyFields(fields)].join(" ").trimEnd();
}

/** Like {@link formatPretty}, with ECMA-48 colours for a terminal. */
export function formatColoured({ wallMs, level, event, fields }: LogEntry): string {
  const columns = [
    `${SGR.dim}${time(wallMs)}${SGR.reset}`,
    `${LEVEL_SGR[level]}${level.toUpperCase().padEnd(5)}${SGR.reset}`,
    event.padEnd(EVENT_COLUMN),
  ];
  return [...columns, ...prettyFields(fields)].join(" ").trimEnd();
}

/**
 * Formats an event as one JSON object: `ts` (RFC 3339, UTC), `level`, `event`, and the fields. A field cannot replace
 * one of these three.
 */
export function formatJson({ wallMs, level, event, fields }: LogEntry): string {
  const head = { ts: time(wallMs), level, event };
  const cut = Object.entries(fields).map(([key, value]) => [key, cutValue(value)]);
  return escapeDeceptive(JSON.stringify({ ...head, ...Object.fromEntries(cut), ...head }));
}

/** Priorities of syslog(3), used as line prefixes (sd-daemon(3)). */
const PRIORITY: Readonly<Record<LogLevel, number>> = { debug: 7, info: 6, warn: 4, error: 3 };

/** The prefix from which journald reads the priority of a line. */
export function priorityPrefix(level: LogLevel): string {
  return `<${PRIORITY[level]}>`;
}

function prettyFields(fields: LogFields): string[] {
  return Object.entries(fields)
    .filter(([, value]) => value !== undefined)
    .map(([key, value]) => `${key}=${word(String(cutValue(value)))}`);
}

function word(text: string): string {
  return BARE_WORD.test(text) ? text : escapeDeceptive(JSON.stringify(text));
}

function cutValue(value: LogFields[string]): LogFields[string] {
  if (typeof value !== "string" || value.length <= LOG_VALUE_CHARS_MAX) return value;
  return `${value.slice(0, LOG_VALUE_CHARS_MAX)}…`;
}

function escapeDeceptive(json: string): string {
  return json.replace(
    DECEPTIVE,
    (mark) => `\\u${mark.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
}

function time(wallMs: number): string {
  return new Date(wallMs).toISOString();
}
