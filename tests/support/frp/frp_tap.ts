import { classifyPacket, type PacketKind } from "../../../src/transport/packet_kind.ts";
import { TunnelledServer } from "./frp.ts";
import { PUBLIC_ADDRESS } from "./frp_ports.ts";
import type { ConfigValues } from "../servers/server_process.ts";
import { UdpRelay } from "../network/udp_relay.ts";

const LOOPBACK = "127.0.0.1";
/** Between two rounds of a replay: a tunnel that is busy with video drops what comes all at once. */
const PAUSE_MS = 40;

/** The server behind a real tunnel, with somebody on the browsers' side of it who hears every datagram. */
export class TappedServer implements AsyncDisposable {
  readonly tunnelled: TunnelledServer;
  /** What browsers sent, of each kind. */
  readonly heard: ReadonlyMap<PacketKind, readonly Uint8Array[]>;
  readonly #relay: UdpRelay;

  private constructor(
    tunnelled: TunnelledServer,
    { relay, heard }: { relay: UdpRelay; heard: ReadonlyMap<PacketKind, readonly Uint8Array[]> },
  ) {
    this.tunnelled = tunnelled;
    this.#relay = relay;
    this.heard = heard;
  }

  /**
   * Starts everything, with one media port.
   * @param options.overhear Is told of each datagram of a browser before it goes on.
   */
  static async start(
    { config, overhear = () => {} }: {
      config: ConfigValues;
      overhear?: (packet: Uint8Array) => void;
    },
  ): Promise<TappedServer> {
    const heard = new Map<PacketKind, Uint8Array[]>();
    const relay = new UdpRelay({ hostname: LOOPBACK, port: 0 }, {
      overhear(packet) {
        const kind = classifyPacket(packet);
        const known = heard.get(kind) ?? [];
        heard.set(kind, known);
        known.push(packet.slice());
        overhear(packet);
      },
    });
    try {
      const tunnelled = await TunnelledServer.start({
        media: 1,
        config: { ...config, "webrtc.public_ip": LOOPBACK, "webrtc.public_port_min": relay.port },
      });
      relay.passTo(tunnelled.publicPortMin, PUBLIC_ADDRESS);
      return new TappedServer(tunnelled, { relay, heard });
    } catch (error) {
      await relay[Symbol.asyncDispose]();
      throw error;
    }
  }

  /** Sends datagrams through the tunnel once more, in turns from so many source ports of nobody's. */
  async replay(packets: readonly Uint8Array[], { sources }: { sources: number }): Promise<void> {
    const sockets = Array.from(
      { length: sources },
      () => Deno.listenDatagram({ transport: "udp", hostname: LOOPBACK, port: 0 }),
    );
    const to = {
      transport: "udp",
      hostname: PUBLIC_ADDRESS,
      port: this.tunnelled.publicPortMin,
    } as const;
    for (const [at, packet] of packets.entries()) {
      await sockets[at % sources]?.send(packet, to);
      if (at % sources === 0) await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
    }
    for (const socket of sockets) socket.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#relay[Symbol.asyncDispose]();
    await this.tunnelled[Symbol.asyncDispose]();
  }
}
