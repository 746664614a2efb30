import { isOfOtherService } from "./foreign_variables.ts";
import type { Given, Input } from "./input.ts";
import { nearest } from "./nearest.ts";
import { type Problem, showRefused, showSource } from "./problem.ts";
import { SCHEMA_KEYS } from "./keys.ts";
import type { KeySpec } from "./spec.ts";

/** Environment variables by name. */
export type Environment = Readonly<Record<string, string>>;

/** Prefix of all of Pinhole's variables. */
const PREFIX = "PINHOLE_";

/** Variables that only the tests and build tasks read. */
export const RESERVED_VARIABLES: readonly string[] = [
  "PINHOLE_BROWSER",
  "PINHOLE_FIREFOX",
  "PINHOLE_CC",
];

/** Prefix of other variables that only the tests read. */
export const RESERVED_PREFIX = "PINHOLE_TEST_";

/** Reads the process's `PINHOLE_*` variables. Needs permission to read the environment. */
export function readEnvironment(): Environment {
  const entries = Object.entries(Deno.env.toObject());
  return Object.fromEntries(entries.filter(([name]) => name.startsWith(PREFIX)));
}

/** Sorts `PINHOLE_*` variables into known keys and problems. Never throws. */
export function readVariables(env: Environment): Input {
  const given: Given[] = [];
  const problems: Problem[] = [];
  for (const [name, text] of Object.entries(env)) {
    if (RESERVED_VARIABLES.includes(name) || name.startsWith(RESERVED_PREFIX)) continue;
    const key = SCHEMA_KEYS.find(({ variable }) => variable === name);
    if (key === undefined && isOfOtherService(name, text)) continue;
    if (key === undefined) problems.push(unknownVariable(name, text));
    else given.push({ key, source: name, ...fromVariable(key.spec, text) });
  }
  return { given, problems };
}

/** Converts a variable's text to the value that TOML would give; the text itself if that is not possible. */
function fromVariable(spec: KeySpec, text: string): { readonly raw: unknown; form?: string } {
  switch (spec.type) {
    case "integer":
      return { raw: /^-?\d+$/.test(text) ? Number(text) : text };
    case "boolean":
      return { raw: text === "true" ? true : text === "false" ? false : text };
    case "origins":
      return { raw: text === "" ? [] : text.split(",").map((entry) => entry.trim()) };
    case "json_table":
    case "path_table":
      return { raw: parseJson(text) ?? text, form: ", written as a JSON object" };
    default:
      return { raw: text };
  }
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function unknownVariable(name: string, text: string): Problem {
  const candidates = SCHEMA_KEYS.map(({ variable }) => ({
    word: variable.slice(PREFIX.length),
    shown: variable,
  }));
  const found = nearest(name.slice(PREFIX.length), candidates);
  return {
    source: showSource(name),
    value: showRefused(name, text),
    rule: "unknown variable",
    ...(found === undefined ? {} : { nearest: found }),
  };
}
