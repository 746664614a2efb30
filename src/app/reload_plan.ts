import { isDeepStrictEqual } from "node:util";
import type { Config } from "../config/config.ts";
import { camelCase, type KeyName, SCHEMA_KEYS, type SchemaKey } from "../config/keys.ts";
import { planReach } from "../config/reach.ts";
import type { Effect } from "../config/spec.ts";

/** Keys whose values differ, by when they take effect, in the order of the file. */
export type ConfigChanges = Readonly<Record<Effect, readonly KeyName[]>>;

/** Result of {@link planReload}. */
export interface ReloadPlan {
  readonly changes: ConfigChanges;
  /** The running configuration, with every change that needs no restart. */
  readonly config: Config;
}

/**
 * Compares the running configuration with a new one. Keys that need a restart keep their running values, and are
 * reported again at each reload until then. Pure.
 */
export function planReload(running: Config, read: Config): ReloadPlan {
  const wanted = onPortsOf(running, read);
  const changed = SCHEMA_KEYS.filter((key) =>
    !isDeepStrictEqual(valueOf(running, key), valueOf(wanted, key))
  );
  const withEffect = (effect: Effect) => changed.filter(({ spec }) => spec.effect === effect);
  const namesOf = (effect: Effect) => withEffect(effect).map(({ name }) => name);
  return {
    changes: {
      live: namesOf("live"),
      sessions: namesOf("sessions"),
      restart: namesOf("restart"),
    },
    config: withReach(withValues(wanted, { from: running, keys: withEffect("restart") }), running),
  };
}

/** Plans the public places of the ports that are bound: other ports need a restart. */
function withReach(config: Config, { reach: running }: Config): Config {
  const { ports } = planReach(config.webrtc, running.provider);
  const isBound = (port: number) => running.ports.some((each) => each.port === port);
  return {
    ...config,
    reach: { ...running, ports: ports.filter(({ port }) => isBound(port)) },
  };
}

/**
 * Two keys that are 0 are resolved from the port range. A new range needs a restart, so until then they are resolved
 * from the bound ports.
 */
function onPortsOf(running: Config, read: Config): Config {
  const { webrtc, sessions } = read;
  const followsPorts = webrtc.publicPortMin === webrtc.portMin;
  const followsPlaces = sessions.max === placesOf(read);
  return {
    ...read,
    webrtc: followsPorts ? { ...webrtc, publicPortMin: running.webrtc.portMin } : webrtc,
    sessions: followsPlaces ? { ...sessions, max: placesOf(running) } : sessions,
  };
}

function placesOf({ reach, webrtc: { peersPerPort } }: Config): number {
  return reach.ports.length * peersPerPort;
}

type Sections = Readonly<Record<string, Readonly<Record<string, unknown>>>>;

// The type is derived from the same table as the keys, which the compiler cannot verify.
function sectionsOf(config: Config): Sections {
  return config as unknown as Sections;
}

function valueOf(config: Config, { section, key }: SchemaKey): unknown {
  return sectionsOf(config)[camelCase(section)]?.[camelCase(key)];
}

function withValues(
  config: Config,
  { from, keys }: { from: Config; keys: readonly SchemaKey[] },
): Config {
  let sections = sectionsOf(config);
  for (const key of keys) {
    const name = camelCase(key.section);
    const section = { ...sections[name], [camelCase(key.key)]: valueOf(from, key) };
    sections = { ...sections, [name]: section };
  }
  return sections as unknown as Config;
}
