import assert from "assert";
import type { SocketAddress } from "../../../src/base/ip.ts";
import { isConsentRequest } from "../parts/checks.ts";
import type { WeriftViewer } from "../clients/werift_viewer.ts";

/** Headers of UDP and IPv4. */
const HEADERS_BYTES = 28;

/** Another address: what is sent from there may be false, or come from a viewer that has moved. */
export class Elsewhere implements Disposable {
  readonly #socket = Deno.listenDatagram({ transport: "udp", hostname: "127.0.0.1", port: 0 });
  readonly #to: Deno.NetAddr;
  readonly #answer: (request: Uint8Array) => Uint8Array | undefined;
  /** What was sent, headers included. */
  sentBytes = 0;
  /** What came, headers included. */
  cameBytes = 0;
  /** Requests for consent among it. */
  requests = 0;

  /**
   * @param to The media port.
   * @param options.answer What it answers to requests for consent.
   */
  constructor(
    to: SocketAddress,
    { answer = () => undefined }: { answer?: (request: Uint8Array) => Uint8Array | undefined } = {},
  ) {
    this.#to = { transport: "udp", ...to };
    this.#answer = answer;
    void this.#receive();
  }

  /** Sends one datagram. */
  async send(packet: Uint8Array): Promise<void> {
    this.sentBytes += packet.length + HEADERS_BYTES;
    await this.#socket.send(packet, this.#to);
  }

  [Symbol.dispose](): void {
    this.#socket.close();
  }

  async #receive(): Promise<void> {
    for await (const [packet] of this.#socket) {
      this.cameBytes += packet.length + HEADERS_BYTES;
      if (!isConsentRequest(packet)) continue;
      this.requests++;
      const answer = this.#answer(packet);
      if (answer !== undefined) await this.#socket.send(answer, this.#to);
    }
  }
}

/** The password that a viewer offered. */
export function password(viewer: WeriftViewer): string {
  const sdp = viewer.peer.localDescription?.sdp ?? "";
  return /^a=ice-pwd:(.*)$/m.exec(sdp)?.[1]?.trim() ?? assert.fail("no ice-pwd");
}

/** A report of a viewer that has no report in it: the shortest that is authentic. */
export function report(viewer: WeriftViewer): Uint8Array {
  return viewer.protectRtcp(Uint8Array.of(0x80, 201, 0, 1, 0, 0, 0, 1));
}
