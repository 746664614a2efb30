import { formatHostPort } from "../base/host_port.ts";
import { PORT_MAX } from "../base/limits.ts";
import type { PortTransport, PublicPortEntry } from "../base/public_ports.ts";
import { isHost, isUnspecified } from "./address.ts";

/** `10111/udp=203.0.113.7:41022`: local port, transport (default: both), host (default: the usual one), public port. */
const ENTRY = /^(\d{1,5})(?:\/(udp|tcp))?=(?:(?:\[(.+)\]|([^:[\]]+)):)?(\d{1,5})$/;

/** Parses an entry of `webrtc.public_ports`; `undefined` if it is none. */
export function parsePublicPort(text: string): PublicPortEntry | undefined {
  const [, local, transport, ipv6, name, digits] = ENTRY.exec(text) ?? [];
  const host = ipv6 ?? name;
  const [port, publicPort] = [Number(local), Number(digits)];
  if (!isPort(port) || !isPort(publicPort)) return undefined;
  if (host !== undefined && (!isHost(host) || isUnspecified(host))) return undefined;
  if ((ipv6 === undefined) !== (host === undefined || !host.includes(":"))) return undefined;
  return {
    port,
    transport: transport as PortTransport | undefined,
    place: { host, port: publicPort, from: `webrtc.public_ports: "${text}"` },
  };
}

/** The text of an entry, as {@link parsePublicPort} reads it. */
export function formatPublicPort({ port, transport, place }: PublicPortEntry): string {
  const at = place.host === undefined ? place.port : formatHostPort(place.host, place.port);
  return `${port}${transport === undefined ? "" : `/${transport}`}=${at}`;
}

/** Whether an entry is about this transport. */
export function covers({ transport }: PublicPortEntry, asked: PortTransport): boolean {
  return transport === undefined || transport === asked;
}

function isPort(port: number): boolean {
  return port >= 1 && port <= PORT_MAX;
}

/**
 * Ports above 1023 that browsers block, for media too: the "bad ports" of Fetch
 * (https://fetch.spec.whatwg.org/#port-blocking). Verified in Chromium: no ICE check is sent to 5060, 6000 or 10080.
 * Ports below 1024 are not checked.
 */
const BLOCKED: ReadonlySet<number> = new Set([
  ...[1719, 1720, 1723, 2049, 3659, 4045, 4190, 5060, 5061, 6000, 6566],
  ...[6665, 6666, 6667, 6668, 6669, 6679, 6697, 10080],
]);

/** Whether browsers send nothing to this port. */
export function isBlockedPort(port: number): boolean {
  return BLOCKED.has(port);
}
