import type { SocketAddress } from "../base/ip.ts";

/** How packets come to a media port. */
export type MediaTransport = "udp" | "tcp";

/** Where packets of a media port come from and go to; over TCP it stands for one connection as long as that lives. */
export interface MediaAddress extends SocketAddress {
  readonly transport: MediaTransport;
}

/** What a media port tells whoever listens on it. */
export interface MediaPortListener {
  /** Takes one packet, which is only valid until the call returns: the buffer is used again for the next one. */
  packet(packet: Uint8Array, from: MediaAddress): void;
  /** The host refused to send so many packets. */
  refused(packets: number): void;
  /** A TCP connection ended, by whichever side: its address is nobody's from now on. */
  disconnected(address: MediaAddress): void;
}

/** Text that tells two addresses apart. */
export function addressKey({ transport, hostname, port }: MediaAddress): string {
  return `${transport}|${hostname}|${port}`;
}

/**
 * Whether a packet can come from there: not from port 0, nor from an address that stands for many or for none
 * (RFC 1122 §3.2.1.3, RFC 4291 §2.7). Whoever writes such a source on a packet wants the answer to go to others.
 */
export function isUnicast({ hostname, port }: SocketAddress): boolean {
  if (port === 0) return false;
  const ip = hostname.toLowerCase().replace(/^::ffff:(?=\d+\.)/, "");
  if (ip.includes(":")) return ip !== "::" && !ip.startsWith("ff");
  const first = Number(ip.split(".", 1)[0]);
  return first > 0 && first < 224;
}

/** Whether an address is one of this host's loopback. */
export function isLoopback({ hostname }: SocketAddress): boolean {
  return /^(?:::ffff:)?127\./i.test(hostname) || hostname === "::1";
}
