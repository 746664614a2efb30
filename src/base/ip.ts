import { isIPv4, isIPv6 } from "node:net";

/** An IP address and a port. */
export interface SocketAddress {
  /** IP literal. */
  readonly hostname: string;
  readonly port: number;
}

/** Bytes of an IPv4 address. */
export const IPV4_BYTES = 4;
/** Bytes of an IPv6 address. */
export const IPV6_BYTES = 16;

const IPV6_GROUPS = 8;
/** The twelve-byte prefix of IPv4-mapped IPv6 addresses (RFC 4291 §2.5.5.2). */
const MAPPED_PREFIX = Uint8Array.of(0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff);

/**
 * Parses an IP address to bytes in network order. An IPv4-mapped IPv6 address, as from dual-stack sockets, becomes the
 * IPv4 address. The zone of a link-local address (`%eth0`) is dropped.
 *
 * @returns 4 or 16 bytes.
 * @throws {TypeError} If `text` is not an IP address.
 */
export function parseIp(text: string): Uint8Array {
  if (isIPv4(text)) return Uint8Array.from(text.split("."), Number);
  const [address = ""] = text.split("%");
  if (!isIPv6(address)) throw new TypeError(`Cannot read "${text}" as an IP address`);
  // The URL parser accepts every notation of IPv6, and returns hexadecimal groups only.
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
  return unmapIpv4(ip);
}

/** Converts an IPv4-mapped IPv6 address to IPv4; returns others unchanged. A view of the same bytes. */
export function unmapIpv4(ip: Uint8Array): Uint8Array {
  const isMapped = ip.length === IPV6_BYTES &&
    MAPPED_PREFIX.every((byte, index) => ip[index] === byte);
  return isMapped ? ip.subarray(MAPPED_PREFIX.length) : ip;
}

/** Converts an IPv4 address to an IPv4-mapped IPv6 address (RFC 4291 §2.5.5.2); returns IPv6 unchanged. 16 bytes. */
export function mapToIpv6(ip: Uint8Array): Uint8Array {
  return ip.length === IPV6_BYTES ? ip : Uint8Array.of(...MAPPED_PREFIX, ...ip);
}

/** Formats an address of 4 or 16 bytes; IPv6 in canonical form (RFC 5952). */
export function formatIp(ip: Uint8Array): string {
  if (ip.length === IPV4_BYTES) return ip.join(".");
  const view = new DataView(ip.buffer, ip.byteOffset, ip.length);
  const groups: string[] = [];
  for (let index = 0; index < IPV6_GROUPS; index++) {
    groups.push(view.getUint16(index * 2).toString(16));
  }
  return new URL(`http://[${groups.join(":")}]`).hostname.slice(1, -1);
}
