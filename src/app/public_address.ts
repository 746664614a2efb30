import { isIP } from "node:net";
import type { Config } from "../config/config.ts";
import type { PlannedPort, PublicPlace } from "../base/public_ports.ts";
import type { PublicAddresses } from "../base/public_ports.ts";
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
  const { publicIp, ports } = options;
  return async (localPort, reachedHost) => {
    const planned = ports.find(({ port }) => port === localPort);
    const find = async (place: PublicPlace | undefined) =>
      place && {
        address: await addressOf(place.host ?? publicIp ?? reachedHost, options),
        port: place.port,
      };
    const [udp, tcp] = await Promise.all([find(planned?.udp), find(planned?.tcp)]);
    return { udp, tcp };
  };
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

async function addressOf(host: string, options: PublicAddressOptions): Promise<string> {
  // "localhost" is loopback without DNS, as in browsers (RFC 6761 §6.3).
  const name = host.toLowerCase() === "localhost" ? "127.0.0.1" : host;
  const addresses = isIP(name) !== 0 ? [name] : await lookUp(name, options.resolve);
  const usable = addresses.find((address) => isIP(address) === 4) ??
    (options.ipv6 ? addresses.find((address) => isIP(address) === 6) : undefined);
  if (usable !== undefined) return usable;
  throw new ViewerError(
    // Without a configured address, the name is the client's Host header.
    options.publicIp === undefined ? "unknown_host" : "internal",
    addresses.length > 0
      ? `The media ports listen on IPv4, but "${host}" has only IPv6 addresses; set webrtc.public_ip to an IPv4 address or webrtc.listen to "::"`
      : options.publicIp === undefined
      ? `Cannot find the address of "${host}"; set webrtc.public_ip to the public IP address`
      : `Cannot find the address of webrtc.public_ip = "${host}"; set it to the public IP address, or to a DNS name that resolves`,
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
