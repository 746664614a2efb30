import { transportsOf } from "../base/public_ports.ts";
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
  const waits = portsWait(running, wanted, changed);
  const effectOf = ({ name, spec }: SchemaKey) => waits.has(name) ? "restart" : spec.effect;
  const withEffect = (effect: Effect) => changed.filter((key) => effectOf(key) === effect);
  const namesOf = (effect: Effect) => withEffect(effect).map(({ name }) => name);
  const config = withValues(wanted, { from: running, keys: withEffect("restart") });
  const { reach } = running;
  return {
    changes: {
      live: namesOf("live"),
      sessions: namesOf("sessions"),
      restart: namesOf("restart"),
    },
    config: {
      ...config,
      reach: waits.size > 0 ? reach : planReach(config.webrtc, reach.provider),
    },
  };
}

/** Keys by which the media ports are planned, and that need a restart. */
const PLANNING: ReadonlySet<KeyName> = new Set<KeyName>([
  "webrtc.port_min",
  "webrtc.port_max",
  "webrtc.public_port_min",
  "webrtc.provider",
  "webrtc.udp",
  "webrtc.tcp",
]);

/**
 * Keys with public places that wait for a restart, because they are for other ports than those that are bound; empty if
 * none has to.
 */
function portsWait(
  running: Config,
  wanted: Config,
  changed: readonly SchemaKey[],
): ReadonlySet<KeyName> {
  const { ports } = planReach(wanted.webrtc, running.reach.provider);
  const isWhole = running.reach.ports.every((bound) => {
    const planned = ports.find(({ port }) => port === bound.port);
    return planned !== undefined &&
      transportsOf(bound).every((each) => planned[each] !== undefined);
  });
  if (isWhole && !changed.some(({ name }) => PLANNING.has(name))) return new Set();
  // An address that only the provider had told belongs to its ports.
  const isProvided = wanted.webrtc.publicIp === undefined &&
    running.webrtc.publicIp === running.reach.provider?.publicIp?.value;
  return new Set<KeyName>([
    "webrtc.public_ports",
    ...(isProvided ? ["webrtc.public_ip" as const] : []),
  ]);
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
