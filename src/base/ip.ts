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
/** The twelve bytes that mark an IPv6 address as an IPv4 one (RFC 4291 §2.5.5.2). */
const MAPPED_PREFIX = Uint8Array.of(0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff);

/**
 * The bytes of an IP address, in network order. An IPv4-mapped IPv6 address, as sockets of both families give it, is
 * the IPv4 address that it stands for. The zone of a link-local address (`%eth0`) is left out.
 *
 * @returns 4 or 16 bytes.
 * @throws {TypeError} When `text` is not an IP address.
 */
export function parseIp(text: string): Uint8Array {
  if (isIPv4(text)) return Uint8Array.from(text.split("."), Number);
  const [address = ""] = text.split("%");
  if (!isIPv6(address)) throw new TypeError(`Cannot read "${text}" as an IP address`);
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
  return unmapIpv4(ip);
}

/** The IPv4 address that an IPv4-mapped IPv6 address stands for; any other stays as it is. A view of the same bytes. */
export function unmapIpv4(ip: Uint8Array): Uint8Array {
  const isMapped = ip.length === IPV6_BYTES &&
    MAPPED_PREFIX.every((byte, index) => ip[index] === byte);
  return isMapped ? ip.subarray(MAPPED_PREFIX.length) : ip;
}

/** An IPv4 address as the IPv6 address that stands for it (RFC 4291 §2.5.5.2); IPv6 stays as it is. 16 bytes. */
export function mapToIpv6(ip: Uint8Array): Uint8Array {
  return ip.length === IPV6_BYTES ? ip : Uint8Array.of(...MAPPED_PREFIX, ...ip);
}

/** The text of an address of 4 or 16 bytes; IPv6 in its short form (RFC 5952). */
export function formatIp(ip: Uint8Array): string {
  if (ip.length === IPV4_BYTES) return ip.join(".");
  const view = new DataView(ip.buffer, ip.byteOffset, ip.length);
  const groups: string[] = [];
  for (let index = 0; index < IPV6_GROUPS; index++) {
    groups.push(view.getUint16(index * 2).toString(16));
  }
  return new URL(`http://[${groups.join(":")}]`).hostname.slice(1, -1);
}
