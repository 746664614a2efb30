import type { Clock } from "../base/clock.ts";
import type { Logger } from "../base/log.ts";
import type { MediaAddress, MediaPortListener } from "./media_address.ts";
import type { PortMeter } from "./metrics.ts";
import { TcpPort } from "./tcp_port.ts";
import { openUdpPort, type UdpSenderKind } from "./udp_port.ts";

/**
 * One port number that several viewers may share: a UDP socket, a TCP listener, or both. It stays bound until `close`.
 * To whoever listens both look alike, but for the transport of an address.
 */
export interface MediaPort {
  /** The local port that is bound. */
  readonly port: number;
  readonly takesUdp: boolean;
  readonly takesTcp: boolean;
  /** `undefined` without UDP. */
  readonly sendsBy: UdpSenderKind | undefined;
  /** Whether the host takes no more UDP at present, so that what is sent waits. */
  isBlocked(): boolean;
  /** Receives packets from now on; replaces a former listener. */
  listen(listener: MediaPortListener): void;
  /**
   * Sends one packet, which is only read until the call returns.
   * @returns False when it is lost: the TCP connection is over, or too much waits for the host. What the host refuses
   * later is told to the listener.
   */
  send(packet: Uint8Array, to: MediaAddress): boolean;
  /** An authentic packet came from there: a TCP connection may stay for a while. */
  prove(address: MediaAddress): void;
  /** Nobody needs this address any more: a TCP connection ends when what was sent on it has left. */
  release(address: MediaAddress): void;
  /** Closes the sockets and every connection. Idempotent. */
  close(): Promise<void>;
}

/** How a {@link MediaPort} is opened. */
export interface MediaPortOptions {
  readonly hostname: string;
  /** 0 takes any free one. */
  readonly port: number;
  readonly clock: Clock;
  readonly meter: PortMeter;
  readonly log: Logger;
  /** ICE-TCP connections at one time, and those of them that have proven nothing yet. Default: as many as make sense. */
  readonly connectionsMax?: number;
  readonly unprovenMax?: number;
  /** Whether it takes UDP. Default: yes. */
  readonly udp?: boolean;
  /** The port listens on UDP alone, since TCP could not be bound. Without this function TCP is not tried. */
  readonly tcpFailed?: (error: unknown) => void;
}

/**
 * Binds a media port.
 * @throws {Deno.errors.AddrInUse | Deno.errors.AddrNotAvailable | Deno.errors.PermissionDenied} When UDP cannot be bound,
 * or TCP where it is alone.
 */
export function openMediaPort(options: MediaPortOptions): MediaPort {
  let refused = (_packets: number) => {};
  const udp = options.udp ?? true
    ? openUdpPort(options.hostname, options.port, {
      clock: options.clock,
      refused: (packets) => refused(packets),
    })
    : undefined;
  const tcp = udp === undefined ? new TcpPort(options) : openTcp({ ...options, port: udp.port });
  return {
    port: udp?.port ?? tcp?.port ?? options.port,
    takesUdp: udp !== undefined,
    takesTcp: tcp !== undefined,
    sendsBy: udp?.sendsBy,
    isBlocked: () => udp?.isBlocked() ?? false,
    listen(listener) {
      refused = (packets) => listener.refused(packets);
      udp?.onDatagram((packet, { hostname, port }) =>
        listener.packet(packet, { transport: "udp", hostname, port })
      );
      tcp?.listen(listener);
    },
    send(packet, to) {
      if (to.transport === "udp") return udp?.send(packet, to) ?? false;
      return tcp?.send(packet, to) ?? false;
    },
    prove(address) {
      if (address.transport === "tcp") tcp?.prove(address);
    },
    release(address) {
      if (address.transport === "tcp") tcp?.release(address);
    },
    async close() {
      await Promise.all([udp?.close(), tcp?.close()]);
    },
  };
}

function openTcp(options: MediaPortOptions): TcpPort | undefined {
  if (options.tcpFailed === undefined) return undefined;
  try {
    return new TcpPort(options);
  } catch (error) {
    options.tcpFailed(error);
    return undefined;
  }
}
