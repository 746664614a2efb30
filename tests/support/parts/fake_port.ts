import { NULL_LOGGER } from "../../../src/base/log.ts";
import type { MediaAddress, MediaPortListener } from "../../../src/ports/media_address.ts";
import type { MediaPort } from "../../../src/ports/media_port.ts";
import { createIceCredentials, IceAgent } from "../../../src/transport/ice/ice_agent.ts";
import { type PortMember, PortMux } from "../../../src/transport/port_mux.ts";
import type { RtcpVerdict } from "../../../src/transport/rtp/rtp_session.ts";
import type { DtlsVerdict } from "../../../src/transport/dtls/secure_channel.ts";
import { BROWSER, consentAnswer, isConsentRequest } from "./checks.ts";
import { FakeClock } from "./fake_clock.ts";
import { RecordingMeter } from "./recording_meter.ts";

/** Sources of browsers. */
export const A: MediaAddress = { transport: "udp", hostname: "127.0.0.1", port: 40_001 };
export const B: MediaAddress = { ...A, port: 40_002 };
export const C: MediaAddress = { ...A, port: 40_003 };
/** The same numbers as {@link A} and {@link B}, by another way. */
export const TCP_A: MediaAddress = { ...A, transport: "tcp" };
export const TCP_B: MediaAddress = { ...B, transport: "tcp" };

/** Packets that no key has made. */
export const DTLS = Uint8Array.of(22, 254, 253, ...new Uint8Array(20));
export const RTCP = Uint8Array.of(0x80, 201, ...new Uint8Array(20));
export const RTP = Uint8Array.of(0x80, 96, ...new Uint8Array(20));
const DTLS_DATA = Uint8Array.of(23, 254, 253, ...new Uint8Array(20));

/** RTCP that only the member with this signature takes for its own. */
export function signedRtcp(signature: number, index: number): Uint8Array {
  return signed(RTCP, signature, index);
}

/** DTLS application data that only the member with this signature takes for its own. */
export function signedData(signature: number, index: number): Uint8Array {
  return signed(DTLS_DATA, signature, index);
}

function signed(base: Uint8Array, signature: number, index: number): Uint8Array {
  const packet = base.slice();
  packet.set([signature, index], 8);
  return packet;
}

/** A media port without a socket. */
export class FakePort implements MediaPort {
  readonly port = 10_111;
  /** Beside what {@link asked} has. */
  readonly sent: { readonly packet: Uint8Array; readonly to: MediaAddress }[] = [];
  /** Requests for consent. */
  readonly asked: { readonly packet: Uint8Array; readonly to: MediaAddress }[] = [];
  /** Whether browsers, at all addresses, answer those at once. */
  answers = true;
  /** Whether the host takes what is sent. */
  takes = true;
  readonly takesUdp = true;
  readonly takesTcp = true;
  readonly sendsBy = "deno";
  isBlocked = () => false;
  /** Addresses that checks proved, and that nobody needs any more. */
  readonly proven: MediaAddress[] = [];
  readonly released: MediaAddress[] = [];
  receive: MediaPortListener["packet"] = () => {};
  disconnected: MediaPortListener["disconnected"] = () => {};

  listen({ packet, disconnected }: MediaPortListener): void {
    this.receive = packet;
    this.disconnected = disconnected;
  }

  prove(address: MediaAddress): void {
    this.proven.push(address);
  }

  release(address: MediaAddress): void {
    this.released.push(address);
  }

  send(sent: Uint8Array, to: MediaAddress): boolean {
    const packet = sent.slice();
    if (isConsentRequest(packet)) {
      this.asked.push({ packet, to });
      if (this.answers) this.receive(consentAnswer(packet), to);
    } else {
      this.sent.push({ packet, to });
    }
    return this.takes;
  }

  close(): Promise<void> {
    return Promise.resolve();
  }
}

/** A viewer without keys; what is signed for it stands for what its keys made. */
export class FakeMember implements PortMember {
  readonly ice = new IceAgent({
    local: createIceCredentials(),
    ...BROWSER,
    nowMs: 0,
  });
  readonly signature: number;
  /** Packets that were put to its keys. */
  tried = 0;
  #newest = 0;
  /** What came, and from which port. */
  readonly heard: string[] = [];

  constructor(signature: number) {
    this.signature = signature;
  }

  pathValidated({ moved }: { moved: boolean }): void {
    this.heard.push(moved ? "moved" : "validated");
  }

  receiveDtls(packet: Uint8Array, from: MediaAddress): DtlsVerdict {
    if (packet[0] !== DTLS_DATA[0]) {
      this.heard.push(`dtls ${from.port}`);
      return "taken";
    }
    return this.receiveStrayDtls(packet, from) ? "newest" : "dtls_forged";
  }

  receiveStrayDtls(packet: Uint8Array, from: MediaAddress): boolean {
    this.tried++;
    if (this.#judge(packet, from) !== "newest") return false;
    this.heard.push(`data ${from.port}`);
    this.ice.followTo(from, { nowMs: 0, proof: "dtls" });
    return true;
  }

  receiveRtcp(packet: Uint8Array, from: MediaAddress): RtcpVerdict {
    this.tried++;
    const verdict = this.#judge(packet, from);
    if (verdict !== "srtcp_forged") this.heard.push(`rtcp ${from.port}`);
    if (verdict === "newest") this.ice.followTo(from, { nowMs: 0, proof: "srtcp" });
    return verdict;
  }

  /** Anonymous packets are authentic at the viewer's own addresses, signed ones anywhere. */
  #judge(packet: Uint8Array, from: MediaAddress): RtcpVerdict {
    const [signature = 0, index = 0] = packet.subarray(8);
    if (signature === 0) {
      return this.ice.addresses.some(({ port }) => port === from.port) ? "late" : "srtcp_forged";
    }
    if (signature !== this.signature) return "srtcp_forged";
    if (index <= this.#newest) return "late";
    this.#newest = index;
    return "newest";
  }
}

/** Two viewers on one port, and all that the port works with. */
export interface PortSetting {
  readonly port: FakePort;
  readonly meter: RecordingMeter;
  readonly clock: FakeClock;
  readonly mux: PortMux;
  readonly one: FakeMember;
  readonly two: FakeMember;
}

/** Makes a {@link PortSetting}. */
export function setUpPort(): PortSetting {
  const port = new FakePort();
  const meter = new RecordingMeter();
  const clock = new FakeClock();
  const mux = new PortMux(port, { clock, meter, log: NULL_LOGGER });
  const [one, two] = [new FakeMember(1), new FakeMember(2)];
  mux.add(one);
  mux.add(two);
  return { port, meter, clock, mux, one, two };
}
