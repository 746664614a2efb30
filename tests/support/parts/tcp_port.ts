import { NULL_LOGGER } from "../../../src/base/log.ts";
import type { MediaAddress } from "../../../src/ports/media_address.ts";
import { type MediaPort, openMediaPort } from "../../../src/ports/media_port.ts";
import type { TcpEnd } from "../../../src/ports/tcp_connection.ts";
import { createIceCredentials, IceAgent } from "../../../src/transport/ice/ice_agent.ts";
import { BROWSER, checkPacket } from "./checks.ts";
import { eventually } from "../deadline.ts";
import { FakeClock } from "./fake_clock.ts";
import { RecordingMeter } from "./recording_meter.ts";
import { TcpPeer } from "../clients/tcp_peer.ts";
import { freePortRange } from "../servers/test_server.ts";

/** A connectivity check. */
export const TCP_CHECK: Uint8Array<ArrayBuffer> = checkPacket(
  new IceAgent({ local: createIceCredentials(), ...BROWSER, nowMs: 0 }),
);

/** A media port whose listener keeps what comes. */
export class TestTcpPort implements AsyncDisposable {
  readonly clock: FakeClock = new FakeClock();
  readonly meter: RecordingMeter = new RecordingMeter();
  readonly port: MediaPort;
  readonly arrivals: { readonly packet: Uint8Array; readonly from: MediaAddress }[] = [];
  readonly disconnected: MediaAddress[] = [];

  private constructor() {
    this.port = openMediaPort({
      hostname: "127.0.0.1",
      port: freePortRange(1).portMin,
      clock: this.clock,
      meter: this.meter,
      log: NULL_LOGGER,
      tcpFailed: () => {},
    });
    this.port.listen({
      packet: (packet, from) => this.arrivals.push({ packet: packet.slice(), from }),
      refused: () => {},
      disconnected: (address) => this.disconnected.push(address),
    });
  }

  /** Opens one on a free port. */
  static async open(): Promise<TestTcpPort> {
    const subject = new TestTcpPort();
    if (subject.port.takesTcp) return subject;
    // Another test took the port in between.
    await subject.port.close();
    return await TestTcpPort.open();
  }

  /** Connects, and sends a check; a packet of its own tells when the server has read it. */
  async connect(options: { reads?: boolean; proves?: boolean } = {}): Promise<TcpPeer> {
    const peer = await TcpPeer.connect(this.port.port, options);
    await peer.send(TCP_CHECK);
    await this.hears(peer);
    if (options.proves !== false) this.port.prove(addressOf(peer));
    return peer;
  }

  /** Waits until a packet of this peer has come. */
  async hears(peer: TcpPeer): Promise<void> {
    await eventually(() => this.arrivals.some(({ from }) => from.port === peer.port), {
      what: "for a packet of the peer",
    });
  }

  /** Its connections in one state, by the metric. */
  connections(state: "proven" | "unproven"): number {
    return this.meter.value("ice_tcp_connections", { port: this.port.port, state });
  }

  /** How many connections were ended for a reason, by the metric. */
  ended(reason: TcpEnd): number {
    return this.meter.value("ice_tcp_ended_total", { reason });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.port.close();
  }
}

/** How a port names a peer. */
export function addressOf(peer: TcpPeer): MediaAddress {
  return { transport: "tcp", hostname: "127.0.0.1", port: peer.port };
}
