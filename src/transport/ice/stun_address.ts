import { isIPv4, isIPv6 } from "node:net";
import type { SocketAddress } from "../../ports/udp_port.ts";

const FAMILY_IPV4 = 1;
const FAMILY_IPV6 = 2;
const HEADER_BYTES = 4;
const IPV4_BYTES = 4;
const IPV6_BYTES = 16;
const IPV6_GROUPS = 8;
/** Where the twelve bytes end that mark an IPv6 address as an IPv4 one (RFC 4291 §2.5.5.2). */
const MAPPED_PREFIX_BYTES = 12;

/**
 * The value of an XOR-MAPPED-ADDRESS attribute (RFC 8489 §14.2).
 *
 * An IPv4-mapped IPv6 address, as sockets of both families give it, is written as the IPv4 address that the peer has.
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
 * @returns Undefined when family and length do not fit; IPv6 in its short form (RFC 5952).
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
  return { hostname: bytes === IPV4_BYTES ? ip.join(".") : formatIpv6(ip), port };
}

function parseIp(hostname: string): Uint8Array {
  if (isIPv4(hostname)) return Uint8Array.from(hostname.split("."), Number);
  // A link-local address may carry the name of an interface of this host, which means nothing to the peer.
  const [address = ""] = hostname.split("%");
  if (!isIPv6(address)) throw new TypeError(`Cannot write "${hostname}" as an IP address`);
  // The URL parser knows every way to write IPv6, and gives it back in hexadecimal groups alone.
  const canonical = new URL(`http://[${address}]`).hostname.slice(1, -1);
  const [head = "", tail = ""] = canonical.split("::");
  const front = head === "" ? [] : head.split(":");
  const back = tail === "" ? [] : tail.split(":");
  const zeros = new Array<string>(IPV6_GROUPS - front.length - back.length).fill("0");
  const ip = new Uint8Array(IPV6_BYTES);
  const view = new DataView(ip.buffer);
  for (const [index, group] of [...front, ...zeros, ...back].entries()) {
    view.setUint16(index * 2, Number.parseInt(group, 16));
  }
  const isMapped = ip.every((byte, index) =>
    index >= MAPPED_PREFIX_BYTES || byte === (index < MAPPED_PREFIX_BYTES - 2 ? 0 : 0xff)
  );
  return isMapped ? ip.subarray(MAPPED_PREFIX_BYTES) : ip;
}

function formatIpv6(ip: Uint8Array): string {
  const view = new DataView(ip.buffer, ip.byteOffset, ip.length);
  const groups: string[] = [];
  for (let index = 0; index < IPV6_GROUPS; index++) {
    groups.push(view.getUint16(index * 2).toString(16));
  }
  return new URL(`http://[${groups.join(":")}]`).hostname.slice(1, -1);
}
