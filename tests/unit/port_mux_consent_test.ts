import assert from "assert";
import { isUnicast } from "../../src/ports/media_address.ts";
import type { StunDrop } from "../../src/transport/metrics.ts";
import { checkPacket, consentAnswer } from "../support/parts/checks.ts";
import { A, B, C, setUpPort, signedData, signedRtcp } from "../support/parts/fake_port.ts";

Deno.test("PortMux: reports and data from a new source bring it requests, and nothing else", async () => {
  const { port, meter, clock, one } = setUpPort();
  port.receive(checkPacket(one.ice, { useCandidate: true }), A);
  port.sent.length = port.asked.length = 0;
  port.answers = false;
  port.receive(signedRtcp(1, 1), C);
  port.receive(signedData(1, 2), C);
  await clock.advance(3_000);
  assert.deepEqual(port.sent, []);
  assert.ok(port.asked.length > 0 && port.asked.every(({ to }) => to.port === C.port));
  assert.equal(meter.value("consent_requests_total"), port.asked.length + 1);
  assert.equal(meter.value("consents_lost_total", { reason: "unanswered" }), 1);
  assert.deepEqual(one.ice.streamTo(clock.now()), A);
});

Deno.test("PortMux: an answer counts for the viewer that was asked, from where it was asked", () => {
  const { port, meter, one, two } = setUpPort();
  port.receive(checkPacket(one.ice, { useCandidate: true }), A);
  port.receive(checkPacket(two.ice, { useCandidate: true }), B);
  port.answers = false;
  port.receive(signedRtcp(1, 1), C);
  const answer = consentAnswer(port.asked.at(-1)?.packet ?? assert.fail());
  for (const from of [A, B, { ...C, port: 9 }]) port.receive(answer, from);
  assert.deepEqual(one.ice.selected, A);
  const rejected = (reason: StunDrop) => meter.value("stun_rejected_total", { reason });
  assert.deepEqual([rejected("response_source"), rejected("unknown_response")], [3, 0]);
  port.receive(answer, C);
  assert.deepEqual([one.ice.selected, two.ice.selected], [C, B]);
  assert.equal(one.heard.at(-1), "moved");
  port.receive(answer, C);
  assert.equal(rejected("unknown_response"), 1);
});

Deno.test("PortMux: a viewer that pretends to be at another's address does not keep answers from that one", async () => {
  const { port, meter, clock, one, two } = setUpPort();
  port.receive(checkPacket(one.ice, { useCandidate: true }), A);
  port.answers = false;
  for (let second = 0; second < 40; second += 5) {
    // The other viewer's packet is the latest one from there whenever an answer comes.
    port.receive(checkPacket(two.ice, { useCandidate: true }), A);
    port.asked.length = 0;
    await clock.advance(5_000);
    for (const { packet } of [...port.asked]) port.receive(consentAnswer(packet), A);
  }
  assert.deepEqual(one.ice.controlTo(clock.now()), A);
  assert.equal(meter.value("consents_lost_total", { reason: "expired" }), 0);
});

Deno.test("PortMux: a viewer that is removed is asked no more", async () => {
  const { port, clock, mux, one } = setUpPort();
  port.receive(checkPacket(one.ice, { useCandidate: true }), A);
  mux.remove(one);
  port.asked.length = 0;
  await clock.advance(60_000);
  assert.deepEqual([port.asked.length, clock.pending], [0, 0]);
});

Deno.test("PortMux: a viewer that its own packet ends is asked no more", async () => {
  for (const packet of [signedData(1, 1), signedRtcp(1, 1)]) {
    const { port, clock, mux, one } = setUpPort();
    port.receive(checkPacket(one.ice, { useCandidate: true }), A);
    // An alert that it closes ends a viewer within the call that takes the packet.
    one.receiveDtls = () => {
      mux.remove(one);
      return "taken";
    };
    one.receiveRtcp = () => {
      mux.remove(one);
      return "newest";
    };
    port.asked.length = 0;
    port.receive(packet, A);
    await clock.advance(60_000);
    assert.deepEqual([port.asked.length, clock.pending], [0, 0]);
  }
});

Deno.test("PortMux: a source that stands for many, for none or for this port is sent nothing", async () => {
  const { port, meter, clock, one } = setUpPort();
  port.receive(checkPacket(one.ice, { useCandidate: true }), A);
  port.sent.length = port.asked.length = 0;
  const sources = [
    { ...A, hostname: "255.255.255.255" },
    { ...A, hostname: "224.0.0.251" },
    { ...A, hostname: "239.1.2.3" },
    { ...A, hostname: "0.0.0.0" },
    { ...A, hostname: "ff02::1" },
    { ...A, hostname: "::" },
    { ...A, hostname: "::ffff:224.0.0.1" },
    { ...A, port: 0 },
    { ...A, port: port.port },
    { ...A, hostname: "::1", port: port.port },
  ];
  for (const [index, from] of sources.entries()) {
    port.receive(signedRtcp(1, index + 1), from);
    port.receive(checkPacket(one.ice), from);
  }
  await clock.advance(1_000);
  assert.deepEqual([port.sent, port.asked], [[], []]);
  const reason = "impossible_source";
  assert.equal(meter.value("packets_dropped_total", { reason }), 2 * sources.length);
});

Deno.test("isUnicast: addresses of hosts, by either family", () => {
  for (const hostname of ["203.0.113.7", "127.0.0.1", "2001:db8::1", "::1", "::ffff:203.0.113.7"]) {
    assert.ok(isUnicast({ hostname, port: 1 }), hostname);
  }
});
