import { isIP } from "node:net";
import type { Config } from "../config/config.ts";
import type { PlannedPort, PublicPlace } from "../base/public_ports.ts";
import type { PublicAddress, PublicAddresses } from "../base/public_ports.ts";
import { ViewerError } from "../session/session_api.ts";
import { HOST_RESOLVER, type Resolve } from "./name_resolver.ts";

/** Settings of the announced addresses. */
export interface PublicAddressOptions {
  /** `webrtc.public_ip`: an IP literal, a DNS name, or `undefined` for the address that the viewer used. */
  readonly publicIp: string | undefined;
  readonly ports: readonly PlannedPort[];
  /** Whether the media ports listen on IPv6. */
  readonly ipv6: boolean;
  readonly resolve: Resolve;
}

/** Finds the public addresses of a local port, for a viewer that reached the server by `reachedHost`. */
export type PublicAddressFinder = (
  localPort: number,
  reachedHost: string,
) => Promise<PublicAddresses>;

/**
 * Makes the function that finds the addresses for an answer.
 *
 * An answer must have IP addresses, because browsers resolve only `.local` names in candidates. So DNS names are
 * resolved here, repeatedly, because an address with dynamic DNS changes.
 */
export function createPublicAddressFinder(options: PublicAddressOptions): PublicAddressFinder {
  const ports = new Map(options.ports.map((planned) => [planned.port, planned]));
  return async (localPort, reachedHost) => {
    const planned = ports.get(localPort);
    const [udp, tcp] = await Promise.allSettled(
      [planned?.udp, planned?.tcp].map((place) => findPlace(place, { reachedHost, options })),
    );
    // One name that does not resolve costs its own transport only.
    const found = { udp: valueOf(udp), tcp: valueOf(tcp) };
    if (found.udp !== undefined || found.tcp !== undefined) return found;
    for (const each of [udp, tcp]) if (each?.status === "rejected") throw each.reason;
    return found;
  };
}

function valueOf(
  outcome: PromiseSettledResult<PublicAddress | undefined> | undefined,
): PublicAddress | undefined {
  return outcome?.status === "fulfilled" ? outcome.value : undefined;
}

async function findPlace(
  place: PublicPlace | undefined,
  { reachedHost, options }: { reachedHost: string; options: PublicAddressOptions },
): Promise<PublicAddress | undefined> {
  if (place === undefined) return undefined;
  const { publicIp } = options;
  const source: HostSource = place.host !== undefined
    ? { host: place.host, setBy: place.from ?? "webrtc.public_ports" }
    : publicIp !== undefined
    ? { host: publicIp, setBy: `webrtc.public_ip = "${publicIp}"` }
    : { host: reachedHost, setBy: undefined };
  return { address: await addressOf(source, options), port: place.port };
}

/** A host, and the key that names it; without one, it is the client's Host header. */
interface HostSource {
  readonly host: string;
  readonly setBy: string | undefined;
}

/** {@link createPublicAddressFinder} for a configuration, with this host's resolver. */
export function publicAddressesOf({ server, webrtc, reach }: Config): PublicAddressFinder {
  const hosts = reach.ports.flatMap(({ udp, tcp }) => [udp?.host, tcp?.host]);
  const page = server.publicUrl && URL.parse(server.publicUrl)?.hostname;
  const known = new Set([webrtc.publicIp, page, ...hosts].map((name) => name?.toLowerCase()));
  return createPublicAddressFinder({
    publicIp: webrtc.publicIp,
    ports: reach.ports,
    ipv6: webrtc.listen.includes(":"),
    resolve: (name) => HOST_RESOLVER.resolve(name, { isConfigured: known.has(name.toLowerCase()) }),
  });
}

/** The first public port of a local one, UDP before TCP; the local one if it has none. */
export function publicPortOf(
  localPort: number,
  { ports }: { readonly ports: readonly PlannedPort[] },
): number {
  const planned = ports.find(({ port }) => port === localPort);
  return (planned?.udp ?? planned?.tcp)?.port ?? localPort;
}

async function addressOf(
  { host, setBy }: HostSource,
  { ipv6, resolve }: PublicAddressOptions,
): Promise<string> {
  // "localhost" is loopback without DNS, as in browsers (RFC 6761 §6.3).
  const name = host.toLowerCase() === "localhost" ? "127.0.0.1" : host;
  const addresses = isIP(name) !== 0 ? [name] : await lookUp(name, resolve);
  const usable = addresses.find((address) => isIP(address) === 4) ??
    (ipv6 ? addresses.find((address) => isIP(address) === 6) : undefined);
  if (usable !== undefined) return usable;
  const key = setBy ?? "webrtc.public_ip";
  throw new ViewerError(
    setBy === undefined ? "unknown_host" : "internal",
    addresses.length > 0
      ? `The media ports listen on IPv4, but "${host}" has only IPv6 addresses; set ${key} to an IPv4 address or webrtc.listen to "::"`
      : setBy === undefined
      ? `Cannot find the address of "${host}"; set webrtc.public_ip to the public IP address`
      : `Cannot find the address of ${setBy}; set it to the public IP address, or to a DNS name that resolves`,
  );
}

async function lookUp(name: string, resolve: Resolve): Promise<readonly string[]> {
  try {
    return await resolve(name);
  } catch (error) {
    // It already has a retry time.
    if (error instanceof ViewerError) throw error;
    return [];
  }
}
