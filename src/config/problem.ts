import type { Config } from "./config.ts";
import type { KeyName } from "./keys.ts";
import { showKey, showText, showValue } from "./show.ts";

/** One problem of a configuration. All texts are escaped and safe to print. */
export interface Problem {
  /** Name of the file or of the environment variable. */
  readonly source: string;
  /** Line in the file, from 1; only for text that is not valid TOML. */
  readonly line?: number;
  /** Column in the line, from 1, in UTF-16 code units; only with `line`. */
  readonly column?: number;
  /** `section.key`, with the path to the entry inside its value, or `[section]`; absent for the whole source. */
  readonly key?: string;
  /** The given value, on one short line; absent if there is none to show. */
  readonly value?: string;
  /** The violated rule. */
  readonly rule: string;
  /** For an unknown name: the nearest known key, section or variable. */
  readonly nearest?: string;
}

/** Formats a key with its value and, if it differs from the problem's source, the source of the value. */
export type Mention = (key: KeyName) => string;

/** A rule over several keys. It is checked only if each of the keys is valid by itself. */
export interface Check {
  /** The keys that it reads. A violation is reported at the first. */
  readonly keys: readonly [KeyName, ...KeyName[]];
  /** The violated rule, in words that follow the first key and its value; `undefined` if it holds. */
  readonly broken: (config: Config, mention: Mention) => string | undefined;
}

const SECRET_NAME = /secret|token|passw|key$/i;
const SHOWN_PATH_MAX = 6;
const SOURCE_LENGTH_MAX = 250; // paths are long, and the file name is at the end

/**
 * Formats one line for people, such as
 * `config.toml: webrtc.port_mni = 10111: unknown key; did you mean webrtc.port_min?`.
 */
export function formatProblem(problem: Problem): string {
  const { source, line, column, key, value, rule, nearest } = problem;
  const place = line === undefined ? source : `${source}:${line}:${column ?? 1}`;
  const given = [key, value].filter((part) => part !== undefined).join(" = ");
  const hint = nearest === undefined ? "" : `; did you mean ${nearest}?`;
  return [place, given, `${rule}${hint}`].filter((part) => part !== "").join(": ");
}

/** Formats the name of a file or variable for {@link Problem.source}. */
export function showSource(name: string): string {
  return showText(name, SOURCE_LENGTH_MAX);
}

/** Formats a path in a configuration: keys joined by dots, indices in brackets. */
export function showPath(path: readonly (string | number)[]): string {
  const parts = path.slice(0, SHOWN_PATH_MAX).map((part, index) =>
    typeof part === "number" ? `[${part}]` : `${index > 0 ? "." : ""}${showKey(part)}`
  );
  return `${parts.join("")}${path.length > SHOWN_PATH_MAX ? "…" : ""}`;
}

/** Formats a refused value; hidden if the name suggests a secret. */
export function showRefused(name: string, value: unknown): string {
  return SECRET_NAME.test(name) ? "(hidden)" : showValue(value);
}
