import { isIP } from "node:net";
import type { Config } from "../config/config.ts";
import { ViewerError } from "../session/session_api.ts";
import { HOST_RESOLVER, type Resolve } from "./name_resolver.ts";

/** Settings of the announced address. */
export interface PublicAddressOptions {
  /** `webrtc.public_ip`: an IP literal, a DNS name, or `undefined` for the address that the viewer used. */
  readonly publicIp: string | undefined;
  /** First local and first public port of the mapping. */
  readonly portMin: number;
  readonly publicPortMin: number;
  /** Whether the media ports listen on IPv6. */
  readonly ipv6: boolean;
  readonly resolve: Resolve;
}

/** Finds the public address and port of a local port, for a viewer that reached the server by `reachedHost`. */
export type PublicAddressFinder = (
  localPort: number,
  reachedHost: string,
) => Promise<{ address: string; port: number }>;

/**
 * Makes the function that finds the address for an answer.
 *
 * An answer must have an IP address, because browsers resolve only `.local` names in candidates. So DNS names are
 * resolved here, repeatedly, because an address with dynamic DNS changes.
 */
export function createPublicAddressFinder(options: PublicAddressOptions): PublicAddressFinder {
  const { publicIp } = options;
  return async (localPort, reachedHost) => ({
    address: await addressOf(publicIp ?? reachedHost, options),
    port: publicPortOf(localPort, options),
  });
}

/** {@link createPublicAddressFinder} for a configuration, with this host's resolver. */
export function publicAddressesOf({ server, webrtc }: Config): PublicAddressFinder {
  const known = new Set([webrtc.publicIp, server.publicUrl && URL.parse(server.publicUrl)?.hostname]
    .map((name) => name?.toLowerCase()));
  return createPublicAddressFinder({
    publicIp: webrtc.publicIp,
    portMin: webrtc.portMin,
    publicPortMin: webrtc.publicPortMin,
    ipv6: webrtc.listen.includes(":"),
    resolve: (name) => HOST_RESOLVER.resolve(name, { isConfigured: known.has(name.toLowerCase()) }),
  });
}

/** The public port of a local one. */
export function publicPortOf(
  localPort: number,
  { portMin, publicPortMin }: Pick<PublicAddressOptions, "portMin" | "publicPortMin">,
): number {
  return localPort - portMin + publicPortMin;
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
