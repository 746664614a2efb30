import { formatIp, IPV4_BYTES, IPV6_BYTES, parseIp, type SocketAddress } from "../../base/ip.ts";

const FAMILY_IPV4 = 1;
const FAMILY_IPV6 = 2;
const HEADER_BYTES = 4;

/**
 * Formats the value of an XOR-MAPPED-ADDRESS attribute (RFC 8489 §14.2).
 *
 * An IPv4-mapped IPv6 address, as from dual-stack sockets, is written as the peer's IPv4 address.
 *
 * @param mask Bytes 4–19 of the message: magic cookie and transaction id.
 * @throws {TypeError} When `hostname` is not an IP address.
 */
export function formatXorAddress(address: SocketAddress, mask: Uint8Array): Uint8Array {
  const ip = parseIp(address.hostname);
  const value = new Uint8Array(HEADER_BYTES + ip.length);
  value[1] = ip.length === IPV4_BYTES ? FAMILY_IPV4 : FAMILY_IPV6;
  value[2] = (address.port >>> 8) ^ (mask[0] ?? 0);
  value[3] = address.port ^ (mask[1] ?? 0);
  for (const [index, byte] of ip.entries()) value[HEADER_BYTES + index] = byte ^ (mask[index] ?? 0);
  return value;
}

/**
 * Reads the value of an XOR-MAPPED-ADDRESS attribute (RFC 8489 §14.2).
 *
 * @param mask Bytes 4–19 of the message: magic cookie and transaction id.
 * @returns Undefined if family and length do not match; IPv6 in its short form (RFC 5952).
 */
export function parseXorAddress(value: Uint8Array, mask: Uint8Array): SocketAddress | undefined {
  const family = value[1];
  if (family !== FAMILY_IPV4 && family !== FAMILY_IPV6) return undefined;
  const bytes = family === FAMILY_IPV4 ? IPV4_BYTES : IPV6_BYTES;
  if (value.length !== HEADER_BYTES + bytes) return undefined;
  const plain = value.slice(2);
  const port = ((plain[0] ?? 0) ^ (mask[0] ?? 0)) << 8 | (plain[1] ?? 0) ^ (mask[1] ?? 0);
  const ip = plain.subarray(2);
  for (const [index, byte] of ip.entries()) ip[index] = byte ^ (mask[index] ?? 0);
  return { hostname: formatIp(ip), port };
}
