import { DATAGRAM_BYTES_MAX } from "../base/limits.ts";

/** An IP address and a port. */
export interface SocketAddress {
  /** IP literal. */
  readonly hostname: string;
  readonly port: number;
}

/**
 * Takes one datagram. `packet` is only valid until the function returns: the buffer is used again for the next one.
 */
export type DatagramHandler = (packet: Uint8Array, from: SocketAddress) => void;

/** One bound UDP socket that several viewers may share. It stays bound until `close`. */
export interface UdpPort {
  /** The local port that is bound. */
  readonly port: number;
  /** Receives datagrams from now on; replaces a former handler. */
  onDatagram(handler: DatagramHandler): void;
  /**
   * Sends one datagram; `packet` must not be changed before the promise settles. It resolves to `false` when the
   * host refused to send, which for UDP is a loss like any other.
   */
  send(packet: Uint8Array, to: SocketAddress): Promise<boolean>;
  /** Closes the socket. Idempotent. */
  close(): Promise<void>;
}

/**
 * Binds a UDP port.
 * @param port 0 takes any free one.
 * @throws {Deno.errors.AddrInUse | Deno.errors.AddrNotAvailable | Deno.errors.PermissionDenied}
 */
export function openUdpPort(hostname: string, port: number): UdpPort {
  const socket = Deno.listenDatagram({ transport: "udp", hostname, port });
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
    port: (socket.addr as Deno.NetAddr).port,
    onDatagram(next) {
      handler = next;
    },
    async send(packet, to) {
      if (closed) return false;
      try {
        await socket.send(packet, { transport: "udp", hostname: to.hostname, port: to.port });
        return true;
      } catch {
        return false;
      }
    },
    async close() {
      if (closed) return;
      closed = true;
      socket.close();
      await receiving;
    },
  };
}
