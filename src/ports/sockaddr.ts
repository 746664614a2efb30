import { isIP } from "node:net";
import {
  formatIp,
  IPV4_BYTES,
  IPV6_BYTES,
  mapToIpv6,
  parseIp,
  type SocketAddress,
  unmapIpv4,
} from "../base/ip.ts";

/** `AF_INET` and `AF_INET6` of Linux. */
export const FAMILY = { ipv4: 2, ipv6: 10 } as const;

/** The family of a socket. */
export type Family = typeof FAMILY[keyof typeof FAMILY];

/** Room for the longest: a `struct sockaddr_in6`. */
export const SOCKADDR_BYTES = 28;
/** Bytes of a `struct sockaddr_in`. */
const SOCKADDR_IN_BYTES = 16;

/** Where a `sockaddr` has the port, most significant byte first, and the addresses of IPv4 and IPv6. */
const PORT_OFFSET = 2;
const IPV4_OFFSET = 4;
const IPV6_OFFSET = 8;

/** Reads the port of a `sockaddr` of IPv4 or IPv6. */
export function readPort(sockaddr: Uint8Array): number {
  return (sockaddr[PORT_OFFSET] ?? 0) << 8 | (sockaddr[PORT_OFFSET + 1] ?? 0);
}

/** Reads a `sockaddr` of IPv4 or IPv6. An IPv4-mapped IPv6 address is given as the IPv4 address. */
export function readSockaddr(sockaddr: Uint8Array): SocketAddress {
  const isIpv4 = readFamily(sockaddr) === FAMILY.ipv4;
  const ip = isIpv4
    ? sockaddr.subarray(IPV4_OFFSET, IPV4_OFFSET + IPV4_BYTES)
    : unmapIpv4(sockaddr.subarray(IPV6_OFFSET, IPV6_OFFSET + IPV6_BYTES));
  return { hostname: formatIp(ip), port: readPort(sockaddr) };
}

/** Reads the address family of a `sockaddr`, which stands in the byte order of the host: least significant first. */
export function readFamily(sockaddr: Uint8Array): number {
  return (sockaddr[0] ?? 0) | (sockaddr[1] ?? 0) << 8;
}

/**
 * Writes where a socket of this family sends to: `struct sockaddr_in` or `sockaddr_in6`. IPv4 on a socket of IPv6 is
 * written as an IPv4-mapped address.
 *
 * @returns `undefined` where that cannot be written: IPv6 on a socket of IPv4, a name instead of an address, or an address
 * with a zone (`fe80::1%eth0`), whose number Deno does not tell.
 */
export function formatSockaddr(
  { hostname, port }: SocketAddress,
  family: Family,
): Uint8Array | undefined {
  if (isIP(hostname) === 0 || hostname.includes("%")) return undefined;
  const ip = parseIp(hostname);
  const isIpv4 = family === FAMILY.ipv4;
  if (isIpv4 && ip.length !== IPV4_BYTES) return undefined;
  const sockaddr = new Uint8Array(isIpv4 ? SOCKADDR_IN_BYTES : SOCKADDR_BYTES);
  sockaddr[0] = family;
  sockaddr[PORT_OFFSET] = port >>> 8;
  sockaddr[PORT_OFFSET + 1] = port;
  sockaddr.set(isIpv4 ? ip : mapToIpv6(ip), isIpv4 ? IPV4_OFFSET : IPV6_OFFSET);
  return sockaddr;
}
