import { CONFIG_CHECKS } from "./checks.ts";
import type { Config } from "./config.ts";
import { readFileText } from "./file.ts";
import type { Given } from "./input.ts";
import { type Check, type Problem, showPath, showRefused } from "./problem.ts";
import { type ProviderFacts, readProvider } from "./provider.ts";
import { planReach, providedValues } from "./reach.ts";
import { camelCase, type KeyName, keysOf, SCHEMA_KEYS, sectionNames } from "./keys.ts";
import { showValue } from "./show.ts";
import { type Fault, readValue } from "./values.ts";
import type { Environment } from "./environment.ts";
import { readVariables } from "./variables.ts";

/** Input of {@link parseConfig}. */
export interface ConfigInput {
  /** Text of config.toml; an empty text gives the defaults. */
  readonly text: string;
  /** Name of the file, for messages. */
  readonly fileName: string;
  /** The `PINHOLE_*` variables, each of which overrides its key, and those of providers. */
  readonly env: Environment;
}

/** A valid configuration, or all its problems (at least one). */
export type ParsedConfig = { readonly config: Config } | { readonly problems: readonly Problem[] };

/** The value of one key. */
interface Setting {
  readonly value: unknown;
  /** As parsed from TOML. */
  readonly raw: unknown;
  /** File or variable; `undefined` for the default. */
  readonly source: string | undefined;
}

type Settings = ReadonlyMap<KeyName, Setting>;

/**
 * Parses a configuration: the file's text, overridden by variables, with defaults for all other keys. Reports all
 * problems at once, and never throws. A value in the file must be valid even if a variable overrides it.
 */
export function parseConfig({ text, fileName, env }: ConfigInput): ParsedConfig {
  const file = readFileText(text, fileName);
  const variables = readVariables(env);
  const problems = [...file.problems, ...variables.problems];
  const settings = defaultSettings();
  const failed = new Set<KeyName>();
  for (const given of [...file.given, ...variables.given]) {
    const { key, raw, source } = given;
    const read = readValue(key.spec, raw);
    if ("value" in read) {
      settings.set(key.name, { value: read.value, raw, source });
    } else {
      failed.add(key.name);
      for (const fault of read.faults) problems.push(valueProblem(given, fault));
    }
  }
  const provider = fillFromProvider(settings, env);
  const config = assemble(settings, provider);
  // Without the file's values, rules over several keys would compare with defaults instead.
  const checks = file.isToml
    ? CONFIG_CHECKS.filter(({ keys }) => !keys.some((key) => failed.has(key)))
    : [];
  for (const check of checks) {
    const problem = checkProblem(check, config, settings);
    if (problem !== undefined) problems.push(problem);
  }
  return problems.length > 0 ? { problems } : { config: resolve(config) };
}

function defaultSettings(): Map<KeyName, Setting> {
  return new Map(SCHEMA_KEYS.map(({ name, spec }) => {
    const read = readValue(spec, spec.default);
    if ("faults" in read) throw new TypeError(`Default of ${name} breaks its own rule`);
    return [name, { value: read.value, raw: spec.default, source: undefined }];
  }));
}

function valueProblem({ key, source, form = "" }: Given, { path, value, rule }: Fault): Problem {
  const place = [key.section, key.key, ...path];
  return {
    source,
    key: showPath(place),
    value: showRefused(String(place.findLast((part) => typeof part === "string")), value),
    rule: `must be ${rule}${path.length === 0 ? form : ""}`,
  };
}

function checkProblem(check: Check, config: Config, settings: Settings): Problem | undefined {
  const setting = (key: KeyName) => {
    const found = settings.get(key);
    if (found === undefined) throw new TypeError(`No setting for ${key}`);
    return found;
  };
  // The defaults break no rule, so at least one key of a broken rule was set.
  const source = check.keys.map((key) => setting(key).source).find((each) => each !== undefined);
  const shown = (key: KeyName) => {
    const { raw, source: own } = setting(key);
    return `${showValue(raw)}${own === source ? "" : ` (${own ?? "default"})`}`;
  };
  const rule = check.broken(config, (key) => `${key} = ${shown(key)}`);
  if (rule === undefined) return undefined;
  const [key] = check.keys;
  return { source: source ?? "", key, value: shown(key), rule };
}

/**
 * Sets the keys that the host's provider tells and that have their default, as in the file that comes with the program.
 * @returns What it tells.
 */
function fillFromProvider(
  settings: Map<KeyName, Setting>,
  env: Environment,
): ProviderFacts | undefined {
  const { webrtc } = assemble(settings, undefined);
  const provider = readProvider(webrtc.provider, env);
  const defaults = defaultSettings();
  for (const { key, value, source } of providedValues(webrtc, provider)) {
    const isDefault = settings.get(key)?.value === defaults.get(key)?.value;
    if (isDefault) settings.set(key, { value, raw: value, source });
  }
  return provider;
}

function assemble(settings: Settings, provider: ProviderFacts | undefined): Config {
  const sections = sectionNames().map((section) => {
    const values = keysOf(section).map(({ key, name }) =>
      [camelCase(key), settings.get(name)?.value] as const
    );
    return [camelCase(section), Object.fromEntries(values)] as const;
  });
  // The type is derived from the same table as these entries, which the compiler cannot verify.
  const config = Object.fromEntries(sections) as unknown as Config;
  return { ...config, reach: planReach(config.webrtc, provider) };
}

function resolve(config: Config): Config {
  const { webrtc, sessions, reach } = config;
  const places = reach.ports.length * webrtc.peersPerPort;
  return {
    ...config,
    webrtc: { ...webrtc, publicPortMin: webrtc.publicPortMin || webrtc.portMin },
    sessions: { ...sessions, max: sessions.max || places },
  };
}
