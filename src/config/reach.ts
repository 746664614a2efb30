import type {
  PlannedPort,
  PortTransport,
  PublicPlace,
  PublicPortEntry,
} from "../base/public_ports.ts";
import type { ProviderFacts } from "./provider.ts";
import { covers, isBlockedPort } from "./public_port.ts";

/** How viewers reach this host. */
export interface Reach {
  /** The media ports, by number; at least one in a valid configuration. */
  readonly ports: readonly PlannedPort[];
  /** What the host's provider says; `undefined` if there is none, or its variables are not read. */
  readonly provider: ProviderFacts | undefined;
}

/** The settings from which the media ports are planned. */
export interface ReachSettings {
  readonly portMin: number;
  readonly portMax: number;
  /** 0: the same as `portMin`. */
  readonly publicPortMin: number;
  readonly udp: boolean;
  readonly tcp: boolean;
  readonly publicPorts: readonly PublicPortEntry[];
}

/**
 * Plans the media ports and their public places: by the entries of `publicPorts`; without any, by those that the
 * provider has mapped; without any, by the range. Pure.
 */
export function planReach(settings: ReachSettings, provider: ProviderFacts | undefined): Reach {
  if (settings.publicPorts.length > 0) return { ports: planRange(settings), provider };
  const provided = mediaPortsOf(settings, provider);
  const ports = provided.length > 0 ? planProvided(settings, provided) : planRange(settings);
  return { ports, provider };
}

/**
 * The ports of a provider that can be media ports: those of the range; without any, those for which any number was
 * wished. Numbers that browsers block are left out.
 */
export function mediaPortsOf(
  { portMin, portMax }: Pick<ReachSettings, "portMin" | "portMax">,
  provider: ProviderFacts | undefined,
): readonly PublicPortEntry[] {
  const ports = (provider?.ports ?? []).filter(({ place }) => !isBlockedPort(place.port));
  const ofRange = ports.filter(({ port }) => port >= portMin && port <= portMax);
  return ofRange.length > 0 ? ofRange : ports.filter(({ isIdentity }) => isIdentity);
}

/** A value for a key that is not set. */
export interface ProvidedValue {
  readonly key: "webrtc.public_ip" | "webrtc.udp" | "webrtc.tcp";
  readonly value: string | boolean;
  /** The variable that tells it. */
  readonly source: string;
}

/**
 * What a provider tells about keys other than `public_ports`; nothing if it has mapped no media port. Where
 * `public_ports` has entries, they say which transports are mapped.
 */
export function providedValues(
  settings: Pick<ReachSettings, "portMin" | "portMax" | "publicPorts">,
  provider: ProviderFacts | undefined,
): ProvidedValue[] {
  const ports = mediaPortsOf(settings, provider);
  const [first] = ports;
  if (first === undefined) return [];
  const { publicIp } = provider ?? {};
  const source = first.place.from ?? "";
  const has = (transport: PortTransport) => ports.some((entry) => covers(entry, transport));
  const address = publicIp === undefined
    ? []
    : [{ key: "webrtc.public_ip", value: publicIp.value, source: publicIp.variable } as const];
  if (settings.publicPorts.length > 0) return address;
  return [
    ...address,
    { key: "webrtc.udp", value: has("udp"), source },
    { key: "webrtc.tcp", value: has("tcp"), source },
  ];
}

/**
 * A transport for which there is an entry of some port of the range has only the entries; otherwise public numbers follow
 * from `publicPortMin`.
 */
function planRange(settings: ReachSettings): PlannedPort[] {
  const { portMin, portMax } = settings;
  const range = Array.from({ length: portMax - portMin + 1 }, (_, at) => portMin + at);
  const entries = settings.publicPorts.filter(({ port }) => port >= portMin && port <= portMax);
  const placeOf = (port: number, transport: PortTransport): PublicPlace | undefined => {
    if (!settings[transport]) return undefined;
    const own = entries.filter((entry) => covers(entry, transport));
    return own.length > 0 ? own.find((entry) => entry.port === port)?.place : usual(port, settings);
  };
  return range
    .map((port) => ({ port, udp: placeOf(port, "udp"), tcp: placeOf(port, "tcp") }))
    .filter(({ udp, tcp }) => udp !== undefined || tcp !== undefined);
}

function planProvided(
  settings: ReachSettings,
  provided: readonly PublicPortEntry[],
): PlannedPort[] {
  const placeOf = (port: number, transport: PortTransport) =>
    settings[transport]
      ? provided.find((entry) => entry.port === port && covers(entry, transport))?.place
      : undefined;
  return [...new Set(provided.map(({ port }) => port))]
    .map((port) => ({ port, udp: placeOf(port, "udp"), tcp: placeOf(port, "tcp") }))
    .filter(({ udp, tcp }) => udp !== undefined || tcp !== undefined);
}

function usual(port: number, { portMin, publicPortMin }: ReachSettings): PublicPlace {
  const first = publicPortMin || portMin;
  const from = first === portMin ? undefined : `webrtc.public_port_min = ${first}`;
  return { host: undefined, port: port - portMin + first, from };
}
