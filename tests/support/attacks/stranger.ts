import type { SocketAddress } from "../../../src/base/ip.ts";

/** A socket of somebody who has no business here. */
export class Stranger implements Disposable {
  readonly #socket = Deno.listenDatagram({ transport: "udp", hostname: "127.0.0.1", port: 0 });
  readonly #to: Deno.NetAddr;
  readonly #hear: (packet: Uint8Array) => void;
  /** Datagrams that came back. */
  answers = 0;

  /**
   * @param to The media port.
   * @param options.hear Is given what comes back.
   */
  constructor(
    to: SocketAddress,
    { hear = () => {} }: { hear?: (packet: Uint8Array) => void } = {},
  ) {
    this.#to = { transport: "udp", ...to };
    this.#hear = hear;
    void this.#receive();
  }

  /** Sends one datagram. */
  async send(packet: Uint8Array): Promise<void> {
    await this.#socket.send(packet, this.#to);
  }

  [Symbol.dispose](): void {
    this.#socket.close();
  }

  async #receive(): Promise<void> {
    for await (const [packet] of this.#socket) {
      this.answers++;
      this.#hear(packet);
    }
  }
}
