import type { Environment } from "./environment.ts";
import type { Given, Input } from "./input.ts";
import { isProviderVariable } from "./provider.ts";
import { nearest } from "./nearest.ts";
import { type Problem, showRefused, showSource } from "./problem.ts";
import { SCHEMA_KEYS } from "./keys.ts";
import type { KeySpec } from "./spec.ts";
import { isIP } from "node:net";

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

/** Reads the process's `PINHOLE_*` variables, and those by which providers describe a host. Needs permission to read the environment. */
export function readEnvironment(): Environment {
  const entries = Object.entries(Deno.env.toObject());
  return Object.fromEntries(
    entries.filter(([name]) => name.startsWith(PREFIX) || isProviderVariable(name)),
  );
}

/** Sorts `PINHOLE_*` variables into known keys and problems. Never throws. */
export function readVariables(env: Environment): Input {
  const given: Given[] = [];
  const problems: Problem[] = [];
  for (const [name, text] of Object.entries(env)) {
    if (!name.startsWith(PREFIX)) continue;
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
    case "public_ports":
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

/** The protocol names of Kubernetes and Docker. */
const PROTOCOL = "(?:tcp|udp|sctp)";

const isAddress = (value: string) => isIP(value.replace(/^\[(.*)\]$/, "$1")) !== 0;
const isPort = (value: string) => /^\d{1,5}$/.test(value);
const isProtocol = (value: string) => new RegExp(`^${PROTOCOL}$`, "i").test(value);
const isEndpoint = (value: string) => new RegExp(`^${PROTOCOL}://\\S+:\\d{1,5}$`, "i").test(value);

/**
 * Name suffixes with the form of their values. Kubernetes sets these for a Service called `pinhole`, or `pinhole-web`,
 * in every pod of its namespace; a Docker link sets most of them for a container with such a name. The value must match
 * too, so that `PINHOLE_WEBRTC_PORT = 10111` is still reported as an unknown variable.
 */
const KINDS: readonly (readonly [end: RegExp, fits: (value: string) => boolean])[] = [
  [/_SERVICE_HOST$/, isAddress],
  [/_SERVICE_PORT(?:_[A-Z0-9_]+)?$/, isPort],
  [/_PORT$/, isEndpoint],
  [/_PORT_\d+_(?:TCP|UDP|SCTP)(?:_START|_END)?$/, isEndpoint],
  [/_PORT_\d+_(?:TCP|UDP|SCTP)_PROTO$/, isProtocol],
  [/_PORT_\d+_(?:TCP|UDP|SCTP)_PORT(?:_START|_END)?$/, isPort],
  [/_PORT_\d+_(?:TCP|UDP|SCTP)_ADDR$/, isAddress],
  [/_NAME$/, (value) => value.startsWith("/")],
  // The environment of the other container, with any names and values.
  [/^PINHOLE_(?:\d+_)?ENV_/, () => true],
];

/** Whether Kubernetes or Docker sets this variable for another service, so that it is not part of the configuration. */
function isOfOtherService(name: string, value: string): boolean {
  return KINDS.some(([end, fits]) => end.test(name) && fits(value));
}
