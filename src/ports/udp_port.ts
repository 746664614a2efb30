import { type Clock, SYSTEM_CLOCK } from "../base/clock.ts";
import type { SocketAddress } from "../base/ip.ts";
import { DATAGRAM_BYTES_MAX } from "../base/limits.ts";
import { NativeUdpSender, openMessageSocket } from "./native_udp.ts";

/**
 * Takes one datagram. `packet` is only valid until the function returns: the buffer is used again for the next one.
 */
export type DatagramHandler = (packet: Uint8Array, from: SocketAddress) => void;

/** What sends datagrams: the C library, many at once, or Deno, each by itself. */
export type UdpSenderKind = "sendmmsg" | "deno";

/** One bound UDP socket that several viewers may share. It stays bound until `close`. */
export interface UdpPort {
  /** The local port that is bound. */
  readonly port: number;
  readonly sendsBy: UdpSenderKind;
  /** Whether the host takes no more at present, so that what is sent waits. */
  isBlocked(): boolean;
  /** Receives datagrams from now on; replaces a former handler. */
  onDatagram(handler: DatagramHandler): void;
  /**
   * Sends one datagram, which is only read until the call returns.
   * @returns False when the port is closed, or too much waits for the host: a loss like any other. What the host refuses
   * later is told by `refused`.
   */
  send(packet: Uint8Array, to: SocketAddress): boolean;
  /** Closes the socket. Idempotent. */
  close(): Promise<void>;
}

/** How a {@link UdpPort} is opened. */
export interface UdpPortOptions {
  /** Default: the system's. */
  readonly clock?: Clock;
  /** The host refused so many datagrams, which for UDP is a loss like any other. */
  readonly refused?: (datagrams: number) => void;
  /** Whether Deno sends even where the C library could. Default: no. */
  readonly sendsByDeno?: boolean;
}

/**
 * Binds a UDP port.
 * @param port 0 takes any free one.
 * @throws {Deno.errors.AddrInUse | Deno.errors.AddrNotAvailable | Deno.errors.PermissionDenied}
 */
export function openUdpPort(
  hostname: string,
  port: number,
  { clock = SYSTEM_CLOCK, refused = () => {}, sendsByDeno = false }: UdpPortOptions = {},
): UdpPort {
  const socket = Deno.listenDatagram({ transport: "udp", hostname, port });
  const bound = socket.addr as Deno.NetAddr;
  const messages = sendsByDeno ? undefined : openMessageSocket(bound);
  const native = messages && new NativeUdpSender(messages, { clock, refused });
  const byDeno = new DenoUdpSender(socket, refused);
  let handler: DatagramHandler = () => {};
  let closed = false;
  const receiving = receive();

  async function receive(): Promise<void> {
    // One byte more than the largest packet that we take, so that a longer one is seen to be longer.
    const buffer = new Uint8Array(DATAGRAM_BYTES_MAX + 1);
    while (!closed) {
      try {
        const [packet, from] = await socket.receive(buffer);
        if (from.transport === "udp") handler(packet, from);
      } catch (error) {
        if (closed || error instanceof Deno.errors.BadResource) return;
        // A failed read (such as a pending network error) concerns one datagram, not the socket. The pause keeps a
        // socket that fails for good from spinning.
        await new Promise((resolve) => setTimeout(resolve, 5));
      }
    }
  }

  return {
    port: bound.port,
    sendsBy: native === undefined ? "deno" : "sendmmsg",
    isBlocked: () => native?.isBlocked ?? byDeno.isBlocked,
    onDatagram(next) {
      handler = next;
    },
    send(packet, to) {
      if (closed) return false;
      return native?.send(packet, to) ?? byDeno.send(packet, to);
    },
    async close() {
      if (closed) return;
      closed = true;
      native?.close();
      socket.close();
      await receiving;
    },
  };
}

/** Datagrams that Deno holds before viewers are told to wait, and at most. */
const DENO_QUEUE = { blocked: 512, most: 4096 } as const;

/** Sends datagrams by Deno: each is copied and has a promise, but that works on every system. */
class DenoUdpSender {
  readonly #socket: Deno.DatagramConn;
  readonly #refused: (datagrams: number) => void;
  #waiting = 0;

  constructor(socket: Deno.DatagramConn, refused: (datagrams: number) => void) {
    this.#socket = socket;
    this.#refused = refused;
  }

  get isBlocked(): boolean {
    return this.#waiting > DENO_QUEUE.blocked;
  }

  send(datagram: Uint8Array, { hostname, port }: SocketAddress): boolean {
    if (this.#waiting >= DENO_QUEUE.most) return false;
    this.#waiting++;
    void this.#socket.send(datagram.slice(), { transport: "udp", hostname, port })
      .catch(() => this.#refused(1))
      .finally(() => this.#waiting--);
    return true;
  }
}
