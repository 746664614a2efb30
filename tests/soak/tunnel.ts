import type { ServerProcess } from "../support/servers/server_process.ts";
import { TcpRelay } from "../support/network/tcp_relay.ts";
import { UdpRelay } from "../support/network/udp_relay.ts";

/** Where the media ports seem to be: an address of this machine that the server does not listen on. */
export const TUNNEL_IP = "127.0.0.2";

/** Relays in front of a server's every port, as frp has them. */
export class SoakTunnel implements AsyncDisposable {
  readonly #signalling: TcpRelay;
  readonly #media: readonly UdpRelay[];

  /** @param ports Number of the server's media ports. */
  constructor(server: ServerProcess, ports: number) {
    this.#signalling = new TcpRelay(Number(new URL(server.origin).port));
    this.#media = Array.from({ length: ports }, (_, at) => {
      const port = server.portMin + at;
      const relay = new UdpRelay({ hostname: TUNNEL_IP, port });
      relay.passTo(port);
      return relay;
    });
  }

  /** Signalling of a session, through the tunnel. */
  urlOf(session: string): string {
    return `ws://127.0.0.1:${this.#signalling.port}/ws/${session}`;
  }

  /** Every connection is cut, and every viewer gets a new source port. */
  reconnect(): void {
    this.#signalling.cut();
    for (const relay of this.#media) relay.reconnect();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#signalling.close();
    await Promise.all(this.#media.map((relay) => relay[Symbol.asyncDispose]()));
  }
}
