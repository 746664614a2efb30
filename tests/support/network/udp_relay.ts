import type { SocketAddress } from "../../../src/base/ip.ts";

const LOOPBACK = "127.0.0.1";
const DATAGRAM_BYTES_MAX = 2048;

/** What a {@link UdpRelay} does beside passing packets on. */
export interface UdpRelayOptions {
  /** Changes what goes back to the visitors. */
  readonly alterReply?: (reply: Uint8Array) => Uint8Array;
  /** Hears what visitors send, before it is passed on. Only valid until the call returns. */
  readonly overhear?: (packet: Uint8Array) => void;
  /** Which packets of visitors are passed on. Default: all. */
  readonly passes?: (packet: Uint8Array) => boolean;
  /**
   * Has what goes back to the visitors delivered, now or later, or not at all. Only valid until the promise settles; the
   * next one waits for that. Default: at once.
   */
  readonly convey?: (
    reply: Uint8Array,
    deliver: (reply: Uint8Array) => Promise<void>,
  ) => Promise<void>;
}

/**
 * Passes UDP datagrams on as frpc does: each visitor has a socket of its own towards the server, which therefore sees
 * `127.0.0.1` and a port that is not the visitor's.
 */
export class UdpRelay implements AsyncDisposable {
  readonly #near: Deno.DatagramConn;
  /** Sockets towards the server, by visitor. */
  readonly #far = new Map<string, Deno.DatagramConn>();
  readonly #pumps = new Set<Promise<void>>();
  readonly #options: UdpRelayOptions;
  #target: SocketAddress | undefined;

  /**
   * Opens a relay; it drops everything until {@link passTo} names its target.
   * @param at Default: a free port of 127.0.0.1.
   */
  constructor(
    at: SocketAddress = { hostname: LOOPBACK, port: 0 },
    options: UdpRelayOptions = {},
  ) {
    this.#options = options;
    this.#near = Deno.listenDatagram({ transport: "udp", ...at });
    this.#pump(this.#near, (packet, visitor) => this.#forward(packet, visitor));
  }

  /** The port that visitors send to. */
  get port(): number {
    return addressOf(this.#near.addr).port;
  }

  /** Where packets go: a port of 127.0.0.1 if no other address is named. */
  passTo(port: number, hostname: string = LOOPBACK): void {
    this.#target = { hostname, port };
  }

  /** Every visitor gets a new socket, and with it a new source port, as when frpc reconnects. */
  reconnect(): void {
    for (const socket of this.#far.values()) socket.close();
    this.#far.clear();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.reconnect();
    this.#near.close();
    await Promise.all(this.#pumps);
  }

  #forward(packet: Uint8Array, visitor: SocketAddress): Promise<void> {
    const { overhear, passes = () => true } = this.#options;
    overhear?.(packet);
    if (this.#target === undefined || !passes(packet)) return Promise.resolve();
    const key = `${visitor.hostname}|${visitor.port}`;
    let socket = this.#far.get(key);
    if (socket === undefined) {
      socket = Deno.listenDatagram({ transport: "udp", hostname: LOOPBACK, port: 0 });
      this.#far.set(key, socket);
      const { alterReply = (reply) => reply, convey = (reply, deliver) => deliver(reply) } =
        this.#options;
      const deliver = (packet: Uint8Array) => send(this.#near, { packet, to: visitor });
      this.#pump(socket, (reply) => convey(alterReply(reply), deliver));
    }
    return send(socket, { packet, to: this.#target });
  }

  #pump(
    socket: Deno.DatagramConn,
    take: (packet: Uint8Array, from: SocketAddress) => Promise<void>,
  ): void {
    const pump = run().finally(() => this.#pumps.delete(pump));
    this.#pumps.add(pump);

    async function run(): Promise<void> {
      const buffer = new Uint8Array(DATAGRAM_BYTES_MAX);
      while (true) {
        try {
          const [packet, from] = await socket.receive(buffer);
          await take(packet, addressOf(from));
        } catch {
          // The socket was closed.
          return;
        }
      }
    }
  }
}

/** A refusal is a loss like any other. */
async function send(
  socket: Deno.DatagramConn,
  { packet, to }: { packet: Uint8Array; to: SocketAddress },
): Promise<void> {
  await socket.send(packet, { transport: "udp", ...to }).catch(() => {});
}

function addressOf(address: Deno.Addr): SocketAddress {
  const { hostname, port } = address as Deno.NetAddr;
  return { hostname, port };
}
