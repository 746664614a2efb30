import assert from "assert";
import { createIceCredentials } from "../../src/transport/ice/ice_agent.ts";
import { BROWSER, checkPacket, checkWithAttribute, parseMessage } from "../support/parts/checks.ts";
import { settle } from "../support/parts/fake_clock.ts";
import { A, B, DTLS, RTCP, RTP, setUpPort } from "../support/parts/fake_port.ts";
import { Random } from "../support/random.ts";

Deno.test("PortMux: two viewers on one port are told apart, by username first and by source then", () => {
  const { port, mux, one, two } = setUpPort();
  assert.equal(mux.size, 2);
  port.receive(checkPacket(one.ice, { useCandidate: true }), A);
  port.receive(checkPacket(two.ice, { useCandidate: true }), B);
  for (const packet of [DTLS, RTCP]) {
    port.receive(packet, A);
    port.receive(packet, B);
  }
  const validated = ["validated", "validated"];
  assert.deepEqual(one.heard, [...validated, "dtls 40001", "rtcp 40001"], "a check, and a consent");
  assert.deepEqual(two.heard, [...validated, "dtls 40002", "rtcp 40002"]);
  assert.deepEqual(port.sent.map(({ to }) => to), [A, B]);
  const { hostname, port: mapped } = B;
  const { xorMappedAddress } = parseMessage(port.sent[1]?.packet ?? DTLS);
  assert.deepEqual(xorMappedAddress, { hostname, port: mapped });
});

Deno.test("PortMux: nothing but a check of its own makes an address known", () => {
  const { port, meter, one, two } = setUpPort();
  port.receive(checkPacket(one.ice, { password: "y".repeat(32), useCandidate: true }), A);
  port.receive(checkWithAttribute(one.ice, 0x7fff), A);
  port.receive(checkPacket(one.ice, { role: "controlled" }), A);
  for (const packet of [DTLS, RTCP, RTP]) port.receive(packet, A);
  assert.deepEqual([...one.heard, ...two.heard], []);
  assert.equal(meter.value("packets_dropped_total", { reason: "unknown_source" }), 3);
  assert.equal(meter.value("stun_rejected_total", { reason: "integrity" }), 1);
  assert.equal(port.sent.length, 2, "420 and 487 are answered, the forgery is not");
});

Deno.test("PortMux: a viewer that restarted ICE is found by its new and its former name, and removed with both", () => {
  const { port, mux, meter, one } = setUpPort();
  const former = checkPacket(one.ice);
  one.ice.restart({ local: createIceCredentials(), ...BROWSER });
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
  const { port, meter, mux, one, two } = setUpPort();
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
  const { port, meter, one } = setUpPort();
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
  assert.deepEqual(one.heard, ["validated", "validated"]);
});

Deno.test("PortMux: a viewer whose handler throws costs its own packet only", () => {
  const { port, meter, one, two } = setUpPort();
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
  const { port, meter, mux } = setUpPort();
  port.takes = false;
  mux.send(RTP, A);
  await settle();
  assert.equal(meter.value("send_errors_total"), 1);
});

Deno.test("PortMux: an answer is never longer than the check that asked for it and one address", () => {
  const { port, one } = setUpPort();
  for (const request of [checkPacket(one.ice), checkWithAttribute(one.ice, 0x7001)]) {
    port.receive(request, A);
    const reply = port.sent.at(-1)?.packet ?? new Uint8Array(9999);
    assert.ok(reply.length <= request.length + 12, `${reply.length} for ${request.length}`);
  }
});

Deno.test("PortMux: thousands of mutated packets are dropped, from strangers and from a viewer's address", () => {
  const { port, meter, one } = setUpPort();
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
