import type { SocketAddress } from "./udp_port.ts";

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
  /** A TCP connection ended, by whichever side: its address is nobody's from now on. */
  disconnected(address: MediaAddress): void;
}

/** Text that tells two addresses apart. */
export function addressKey({ transport, hostname, port }: MediaAddress): string {
  return `${transport}|${hostname}|${port}`;
}
