import assert from "assert";
import { NULL_LOGGER } from "../../src/base/log.ts";
import type { MediaAddress, MediaPortListener } from "../../src/ports/media_address.ts";
import type { MediaPort } from "../../src/ports/media_port.ts";
import { createIceCredentials, IceAgent } from "../../src/transport/ice_agent.ts";
import type { RtcpVerdict } from "../../src/transport/rtp_session.ts";
import { type PortMember, PortMux } from "../../src/transport/port_mux.ts";
import { BROWSER_UFRAG, checkPacket, checkWithAttribute, parseMessage } from "../support/checks.ts";
import { FakeClock, settle } from "../support/fake_clock.ts";
import { Random } from "../support/random.ts";
import { RecordingMeter } from "../support/recording_meter.ts";

const A: MediaAddress = { transport: "udp", hostname: "127.0.0.1", port: 40_001 };
const B: MediaAddress = { ...A, port: 40_002 };
const C: MediaAddress = { ...A, port: 40_003 };
/** The same numbers as {@link A}, by another way. */
const TCP_A: MediaAddress = { ...A, transport: "tcp" };
const TCP_B: MediaAddress = { ...B, transport: "tcp" };
const DTLS = Uint8Array.of(22, 254, 253, ...new Uint8Array(20));
const RTCP = Uint8Array.of(0x80, 201, ...new Uint8Array(20));
const RTP = Uint8Array.of(0x80, 96, ...new Uint8Array(20));

/** RTCP that only the member with this signature takes for its own. */
function signedRtcp(signature: number, index: number): Uint8Array {
  const packet = RTCP.slice();
  packet.set([signature, index], 8);
  return packet;
}

class FakePort implements MediaPort {
  readonly port = 10_111;
  readonly sent: { readonly packet: Uint8Array; readonly to: MediaAddress }[] = [];
  /** Whether the host takes what is sent. */
  takes = true;
  readonly takesTcp = true;
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

  send(packet: Uint8Array, to: MediaAddress): Promise<boolean> {
    this.sent.push({ packet, to });
    return Promise.resolve(this.takes);
  }

  close(): Promise<void> {
    return Promise.resolve();
  }
}

class FakeMember implements PortMember {
  readonly ice = new IceAgent({
    local: createIceCredentials(),
    remoteUfrag: BROWSER_UFRAG,
    nowMs: 0,
  });
  readonly signature: number;
  /** RTCP packets that were put to its keys. */
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

  receiveDtls(_packet: Uint8Array, from: MediaAddress): void {
    this.heard.push(`dtls ${from.port}`);
  }

  receiveRtcp(packet: Uint8Array, from: MediaAddress): RtcpVerdict {
    this.tried++;
    const verdict = this.#judge(packet, from);
    if (verdict !== "srtcp_forged") this.heard.push(`rtcp ${from.port}`);
    if (verdict === "newest") this.ice.followTo(from, 0);
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

function setUp() {
  const port = new FakePort();
  const meter = new RecordingMeter();
  const clock = new FakeClock();
  const mux = new PortMux(port, { clock, meter, log: NULL_LOGGER });
  const [one, two] = [new FakeMember(1), new FakeMember(2)];
  mux.add(one);
  mux.add(two);
  return { port, meter, clock, mux, one, two };
}

Deno.test("PortMux: two viewers on one port are told apart, by username first and by source then", () => {
  const { port, mux, one, two } = setUp();
  assert.equal(mux.size, 2);
  port.receive(checkPacket(one.ice, { useCandidate: true }), A);
  port.receive(checkPacket(two.ice, { useCandidate: true }), B);
  for (const packet of [DTLS, RTCP]) {
    port.receive(packet, A);
    port.receive(packet, B);
  }
  assert.deepEqual(one.heard, ["validated", "dtls 40001", "rtcp 40001"]);
  assert.deepEqual(two.heard, ["validated", "dtls 40002", "rtcp 40002"]);
  assert.deepEqual(port.sent.map(({ to }) => to), [A, B]);
  const { hostname, port: mapped } = B;
  const { xorMappedAddress } = parseMessage(port.sent[1]?.packet ?? DTLS);
  assert.deepEqual(xorMappedAddress, { hostname, port: mapped });
});

Deno.test("PortMux: nothing but a check of its own makes an address known", () => {
  const { port, meter, one, two } = setUp();
  port.receive(checkPacket(one.ice, { password: "y".repeat(32), useCandidate: true }), A);
  port.receive(checkWithAttribute(one.ice, 0x7fff), A);
  port.receive(checkPacket(one.ice, { role: "controlled" }), A);
  for (const packet of [DTLS, RTCP, RTP]) port.receive(packet, A);
  assert.deepEqual([...one.heard, ...two.heard], []);
  assert.equal(meter.value("packets_dropped_total", { reason: "unknown_source" }), 3);
  assert.equal(meter.value("stun_rejected_total", { reason: "integrity" }), 1);
  assert.equal(port.sent.length, 2, "420 and 487 are answered, the forgery is not");
});

Deno.test("PortMux: an address belongs to the viewer that proved it last", () => {
  const { port, one, two } = setUp();
  port.receive(checkPacket(one.ice, { useCandidate: true }), A);
  port.receive(checkPacket(two.ice, { useCandidate: true }), A);
  port.receive(RTCP, A);
  assert.deepEqual([one.heard, two.heard], [["validated"], ["validated", "rtcp 40001"]]);
  port.receive(checkPacket(one.ice), A);
  port.receive(RTCP, A);
  assert.equal(one.heard.at(-1), "rtcp 40001");
});

Deno.test("PortMux: after a move the former address is still heard for a while", () => {
  const { port, one } = setUp();
  port.receive(checkPacket(one.ice, { useCandidate: true }), A);
  port.receive(checkPacket(one.ice, { useCandidate: true }), B);
  port.receive(RTCP, A);
  port.receive(RTCP, B);
  assert.deepEqual(one.heard, ["validated", "moved", "rtcp 40001", "rtcp 40002"]);
});

Deno.test("PortMux: the newest RTCP of a viewer makes its source known, wherever it comes from", () => {
  const { port, one, two } = setUp();
  port.receive(checkPacket(one.ice, { useCandidate: true }), A);
  port.receive(signedRtcp(1, 5), C);
  assert.deepEqual(one.ice.selected, C);
  port.receive(DTLS, C);
  assert.deepEqual(one.heard, ["validated", "rtcp 40003", "dtls 40003"]);
  assert.deepEqual(two.heard, []);
});

Deno.test("PortMux: RTCP that was overtaken moves nobody", () => {
  const { port, meter, one } = setUp();
  port.receive(checkPacket(one.ice, { useCandidate: true }), A);
  port.receive(signedRtcp(1, 5), A);
  port.receive(signedRtcp(1, 4), C);
  assert.deepEqual(one.ice.selected, A);
  port.receive(DTLS, C);
  assert.equal(meter.value("packets_dropped_total", { reason: "unknown_source" }), 2);
});

Deno.test("PortMux: two viewers whose sources were exchanged are both found again", () => {
  const { port, meter, one, two } = setUp();
  port.receive(checkPacket(one.ice, { useCandidate: true }), A);
  port.receive(checkPacket(two.ice, { useCandidate: true }), B);
  port.receive(signedRtcp(1, 1), B);
  port.receive(signedRtcp(2, 1), A);
  port.receive(DTLS, A);
  port.receive(DTLS, B);
  assert.deepEqual([one.ice.selected, two.ice.selected], [B, A]);
  assert.deepEqual([one.heard.at(-1), two.heard.at(-1)], ["dtls 40002", "dtls 40001"]);
  for (const reason of ["unknown_source", "srtcp_forged"]) {
    assert.equal(meter.value("packets_dropped_total", { reason }), 0);
  }
});

Deno.test("PortMux: a flood of forged RTCP is put to the keys 200 times a second, and no more", async () => {
  const { port, meter, clock, one, two } = setUp();
  for (let i = 0; i < 1_000; i++) port.receive(signedRtcp(9, i), C);
  assert.equal(one.tried + two.tried, 200);
  assert.equal(meter.value("packets_dropped_total", { reason: "unknown_source" }), 1_000);
  await clock.advance(1_000);
  port.receive(signedRtcp(2, 1), C);
  assert.deepEqual(two.ice.selected, C);
});

Deno.test("PortMux: an address that the viewer's agent forgot is nobody's any more", () => {
  const { port, meter, one } = setUp();
  port.receive(checkPacket(one.ice, { useCandidate: true }), A);
  for (let other = 1; other <= 20; other++) {
    port.receive(checkPacket(one.ice), { ...A, hostname: "192.0.2.1", port: other });
  }
  one.heard.length = 0;
  port.receive(RTCP, { ...A, hostname: "192.0.2.1", port: 1 });
  port.receive(RTCP, { ...A, hostname: "192.0.2.1", port: 20 });
  port.receive(RTCP, A);
  assert.deepEqual(one.heard, ["rtcp 20", "rtcp 40001"]);
  assert.equal(meter.value("packets_dropped_total", { reason: "unknown_source" }), 1);
});

Deno.test("PortMux: a viewer that restarted ICE is found by its new and its former name, and removed with both", () => {
  const { port, mux, meter, one } = setUp();
  const former = checkPacket(one.ice);
  one.ice.restart({ local: createIceCredentials(), remoteUfrag: BROWSER_UFRAG });
  mux.add(one);
  port.receive(former, A);
  port.receive(checkPacket(one.ice), A);
  assert.deepEqual([port.sent.length, mux.size], [2, 2]);
  mux.remove(one);
  port.receive(former, A);
  port.receive(checkPacket(one.ice), A);
  assert.deepEqual([port.sent.length, mux.size], [2, 1]);
  assert.equal(meter.value("stun_rejected_total", { reason: "unknown_user" }), 2);
});

Deno.test("PortMux: a viewer that was removed is forgotten with all its addresses", () => {
  const { port, meter, mux, one, two } = setUp();
  port.receive(checkPacket(one.ice, { useCandidate: true }), A);
  port.receive(checkPacket(two.ice, { useCandidate: true }), B);
  mux.remove(one);
  mux.remove(one);
  assert.equal(mux.size, 1);
  one.heard.length = 0;
  port.receive(checkPacket(one.ice, { useCandidate: true }), A);
  port.receive(RTCP, A);
  port.receive(RTCP, B);
  assert.deepEqual(one.heard, []);
  assert.equal(two.heard.at(-1), "rtcp 40002");
  assert.equal(meter.value("stun_rejected_total", { reason: "unknown_user" }), 1);
  assert.equal(meter.value("packets_dropped_total", { reason: "unknown_source" }), 1);
});

Deno.test("PortMux: every kind of refuse is dropped and counted under its reason", () => {
  const { port, meter, one } = setUp();
  port.receive(checkPacket(one.ice, { useCandidate: true }), A);
  const badFingerprint = checkPacket(one.ice);
  badFingerprint.set([~(badFingerprint.at(-1) ?? 0)], badFingerprint.length - 1);
  const indication = checkPacket(one.ice);
  indication[1] = 0x11;
  const stunReasons = [
    [badFingerprint, "fingerprint"],
    [indication, "not_a_binding_request"],
    [checkPacket(one.ice, { username: "nobody:at:all" }), "unknown_user"],
    [checkPacket(one.ice).subarray(0, 40), "bad_length"],
    [new Uint8Array(20), "bad_cookie"],
  ] as const;
  for (const [packet, reason] of stunReasons) {
    port.receive(packet, A);
    assert.equal(meter.value("stun_rejected_total", { reason }), 1, reason);
  }
  const otherReasons = [
    [new Uint8Array(0), "unknown_kind"],
    [Uint8Array.of(22, 254), "unknown_kind"],
    [Uint8Array.of(100, 1, 2, 3), "unknown_kind"],
    [new Uint8Array(1501), "too_long"],
    [RTP, "rtp"],
  ] as const;
  for (const [packet, reason] of otherReasons) {
    const before = meter.value("packets_dropped_total", { reason });
    port.receive(packet, A);
    assert.equal(meter.value("packets_dropped_total", { reason }), before + 1, reason);
  }
  assert.deepEqual(one.heard, ["validated"]);
});

Deno.test("PortMux: a viewer whose handler throws costs its own packet only", () => {
  const { port, meter, one, two } = setUp();
  port.receive(checkPacket(one.ice, { useCandidate: true }), A);
  port.receive(checkPacket(two.ice, { useCandidate: true }), B);
  one.receiveRtcp = () => {
    throw new Error("a defect");
  };
  port.receive(RTCP, A);
  port.receive(RTCP, B);
  assert.equal(meter.value("packets_dropped_total", { reason: "internal_error" }), 1);
  assert.equal(two.heard.at(-1), "rtcp 40002");
});

Deno.test("PortMux: what the host refuses to send is counted", async () => {
  const { port, meter, mux } = setUp();
  port.takes = false;
  mux.send(RTP, A);
  await settle();
  assert.equal(meter.value("send_errors_total"), 1);
});

Deno.test("PortMux: an answer is never longer than the check that asked for it and one address", () => {
  const { port, one } = setUp();
  for (const request of [checkPacket(one.ice), checkWithAttribute(one.ice, 0x7001)]) {
    port.receive(request, A);
    const reply = port.sent.at(-1)?.packet ?? new Uint8Array(9999);
    assert.ok(reply.length <= request.length + 12, `${reply.length} for ${request.length}`);
  }
});

Deno.test("PortMux: thousands of mutated packets are dropped, from strangers and from a viewer's address", () => {
  const { port, meter, one } = setUp();
  const random = new Random(8_445);
  const check = checkPacket(one.ice, { useCandidate: true });
  port.receive(check, A);
  for (let i = 0; i < 5_000; i++) {
    const seed = random.pick([check, DTLS, RTCP, RTP]);
    const packet = random.oneIn(8) ? random.bytes(random.below(200)) : random.mutate(seed);
    // A byte may be changed into itself.
    if (packet.join() === check.join()) continue;
    const stranger = { ...A, hostname: "192.0.2.7", port: random.below(65_536) };
    port.receive(packet, random.oneIn(2) ? A : stranger);
  }
  assert.equal(meter.value("packets_dropped_total", { reason: "internal_error" }), 0);
  assert.deepEqual(one.ice.selected, A, "no mutation of a check is authentic");
  assert.deepEqual(one.ice.addresses, [A]);
});

Deno.test("PortMux: one address by UDP and by TCP is two, and each belongs to who proved it", () => {
  const { port, one, two } = setUp();
  port.receive(checkPacket(one.ice, { useCandidate: true }), A);
  port.receive(checkPacket(two.ice, { useCandidate: true }), TCP_A);
  for (const from of [A, TCP_A]) port.receive(RTCP, from);
  assert.deepEqual([one.heard, two.heard], [
    ["validated", "rtcp 40001"],
    ["validated", "rtcp 40001"],
  ]);
  assert.deepEqual(port.sent.map(({ to }) => to), [A, TCP_A]);
  assert.deepEqual(port.proven, [A, TCP_A]);
});

Deno.test("PortMux: an authentic check or newer SRTCP proves a TCP connection, nothing else does", () => {
  const { port, one } = setUp();
  port.receive(checkPacket(one.ice, { password: "y".repeat(32) }), TCP_A);
  port.receive(checkPacket(one.ice, { username: "nobody:at:all" }), TCP_A);
  port.receive(checkPacket(one.ice, { role: "controlled" }), TCP_A);
  port.receive(signedRtcp(3, 1), TCP_A);
  assert.deepEqual(port.proven, []);
  port.receive(signedRtcp(1, 1), TCP_A);
  assert.deepEqual(port.proven, [TCP_A]);
  assert.deepEqual(one.ice.selected, TCP_A);
});

Deno.test("PortMux: a TCP connection that ended is nobody's, and the next check finds another way", () => {
  const { port, meter, one } = setUp();
  port.receive(checkPacket(one.ice, { useCandidate: true }), TCP_A);
  port.disconnected(TCP_A);
  assert.equal(one.ice.selected, undefined);
  port.receive(DTLS, TCP_A);
  assert.equal(meter.value("packets_dropped_total", { reason: "unknown_source" }), 1);
  port.receive(checkPacket(one.ice), TCP_B);
  assert.deepEqual(one.ice.selected, TCP_B);
  assert.deepEqual(one.heard, ["validated", "moved"]);
});

Deno.test("PortMux: a TCP connection that is not in use may end without a consequence", () => {
  const { port, one } = setUp();
  port.receive(checkPacket(one.ice), TCP_A);
  port.receive(checkPacket(one.ice, { useCandidate: true }), A);
  port.disconnected(TCP_A);
  port.disconnected(TCP_B);
  assert.deepEqual(one.ice.selected, A);
  assert.deepEqual(one.ice.addresses, [A]);
});

Deno.test("PortMux: addresses that a viewer leaves behind are given up, all of them when it is removed", () => {
  const { port, mux, one, two } = setUp();
  port.receive(checkPacket(two.ice, { useCandidate: true }), B);
  const connections = Array.from(
    { length: 9 },
    (_, at): MediaAddress => ({ ...TCP_A, port: at + 1 }),
  );
  for (const from of connections) port.receive(checkPacket(one.ice), from);
  assert.deepEqual(port.released, connections.slice(0, 1));
  port.released.length = 0;
  mux.remove(one);
  assert.deepEqual(port.released, connections.slice(1));
});
