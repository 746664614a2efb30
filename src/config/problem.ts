import { showKey, showText, showValue } from "./show.ts";

/** One thing that is wrong with a configuration. All texts are fit to print, whatever the input held. */
export interface Problem {
  /** Name of the file or of the environment variable. */
  readonly source: string;
  /** Line in the file, from 1; only for text that is no TOML. */
  readonly line?: number;
  /** Column in the line, from 1, in UTF-16 code units; only with `line`. */
  readonly column?: number;
  /** `section.key`, with the path to the entry inside its value, or `[section]`; absent when the whole source is meant. */
  readonly key?: string;
  /** The value that was given, on one short line; absent where there is none to show. */
  readonly value?: string;
  /** The rule that was broken. */
  readonly rule: string;
  /** For something unknown: the nearest known key, section or variable. */
  readonly nearest?: string;
}

const SECRET_NAME = /secret|token|passw|key$/i;
const SHOWN_PATH_MAX = 6;
const SOURCE_LENGTH_MAX = 250; // paths are long, and their end says the most

/**
 * One line for people, such as
 * `config.toml: webrtc.port_mni = 10111: unknown key; did you mean webrtc.port_min?`.
 */
export function formatProblem(problem: Problem): string {
  const { source, line, column, key, value, rule, nearest } = problem;
  const place = line === undefined ? source : `${source}:${line}:${column ?? 1}`;
  const given = [key, value].filter((part) => part !== undefined).join(" = ");
  const hint = nearest === undefined ? "" : `; did you mean ${nearest}?`;
  return [place, given, `${rule}${hint}`].filter((part) => part !== "").join(": ");
}

/** How the name of a file or variable stands in {@link Problem.source}. */
export function showSource(name: string): string {
  return showText(name, SOURCE_LENGTH_MAX);
}

/** How a place in a configuration is written: keys joined by dots, indices in brackets. */
export function showPath(path: readonly (string | number)[]): string {
  const parts = path.slice(0, SHOWN_PATH_MAX).map((part, index) =>
    typeof part === "number" ? `[${part}]` : `${index > 0 ? "." : ""}${showKey(part)}`
  );
  return `${parts.join("")}${path.length > SHOWN_PATH_MAX ? "…" : ""}`;
}

/** How a refused value is written; hidden where the name says that it may be a secret. */
export function showRefused(name: string, value: unknown): string {
  return SECRET_NAME.test(name) ? "(hidden)" : showValue(value);
}
