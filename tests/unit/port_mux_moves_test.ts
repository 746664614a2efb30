import assert from "assert";
import { checkPacket } from "../support/parts/checks.ts";
import {
  A,
  B,
  C,
  DTLS,
  RTCP,
  setUpPort,
  signedData,
  signedRtcp,
} from "../support/parts/fake_port.ts";

Deno.test("PortMux: an address belongs to the viewer that proved it last", () => {
  const { port, one, two } = setUpPort();
  port.receive(checkPacket(one.ice, { useCandidate: true }), A);
  port.receive(checkPacket(two.ice, { useCandidate: true }), A);
  port.receive(RTCP, A);
  assert.deepEqual([one.heard, two.heard], [
    ["validated", "validated"],
    ["validated", "validated", "rtcp 40001"],
  ]);
  port.receive(checkPacket(one.ice), A);
  port.receive(RTCP, A);
  assert.equal(one.heard.at(-1), "rtcp 40001");
});

Deno.test("PortMux: after a move the former address is still heard for a while", () => {
  const { port, one } = setUpPort();
  port.receive(checkPacket(one.ice, { useCandidate: true }), A);
  port.receive(checkPacket(one.ice, { useCandidate: true }), B);
  port.receive(RTCP, A);
  port.receive(RTCP, B);
  assert.deepEqual(one.heard, [
    ...["validated", "validated", "validated", "moved"],
    ...["rtcp 40001", "rtcp 40002"],
  ]);
});

Deno.test("PortMux: the newest RTCP of a viewer makes its source known, wherever it comes from", () => {
  const { port, one, two } = setUpPort();
  port.receive(checkPacket(one.ice, { useCandidate: true }), A);
  port.receive(signedRtcp(1, 5), C);
  assert.deepEqual(one.ice.selected, C);
  port.receive(DTLS, C);
  assert.deepEqual(one.heard, ["validated", "validated", "rtcp 40003", "moved", "dtls 40003"]);
  assert.deepEqual(two.heard, []);
});

Deno.test("PortMux: RTCP that was overtaken moves nobody", () => {
  const { port, meter, one } = setUpPort();
  port.receive(checkPacket(one.ice, { useCandidate: true }), A);
  port.receive(signedRtcp(1, 5), A);
  port.receive(signedRtcp(1, 4), C);
  assert.deepEqual(one.ice.selected, A);
  port.receive(DTLS, C);
  assert.equal(meter.value("packets_dropped_total", { reason: "unknown_source" }), 2);
});

Deno.test("PortMux: two viewers whose sources were exchanged are both found again", () => {
  const { port, meter, one, two } = setUpPort();
  port.receive(checkPacket(one.ice, { useCandidate: true }), A);
  port.receive(checkPacket(two.ice, { useCandidate: true }), B);
  port.receive(signedRtcp(1, 1), B);
  port.receive(signedRtcp(2, 1), A);
  port.receive(DTLS, A);
  port.receive(DTLS, B);
  assert.deepEqual([one.ice.selected, two.ice.selected], [B, A]);
  assert.deepEqual([one.heard.at(-1), two.heard.at(-1)], ["dtls 40002", "dtls 40001"]);
  for (const reason of ["unknown_source", "srtcp_forged"] as const) {
    assert.equal(meter.value("packets_dropped_total", { reason }), 0);
  }
});

Deno.test("PortMux: a flood of forged RTCP is put to the keys 200 times a second, and no more", async () => {
  const { port, meter, clock, one, two } = setUpPort();
  for (let i = 0; i < 1_000; i++) port.receive(signedRtcp(9, i), C);
  assert.equal(one.tried + two.tried, 200);
  assert.equal(meter.value("packets_dropped_total", { reason: "unknown_source" }), 1_000);
  await clock.advance(1_000);
  port.receive(signedRtcp(2, 1), C);
  assert.deepEqual(two.ice.selected, C);
});

Deno.test("PortMux: an address that the viewer's agent forgot is nobody's any more", () => {
  const { port, meter, one } = setUpPort();
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

Deno.test("PortMux: the newest data of a viewer makes its source known as its RTCP does", () => {
  const { port, one, two } = setUpPort();
  port.receive(checkPacket(one.ice, { useCandidate: true }), A);
  port.receive(checkPacket(two.ice, { useCandidate: true }), B);
  port.receive(signedData(1, 5), C);
  assert.deepEqual(one.ice.selected, C);
  assert.deepEqual(port.proven.at(-1), C);
  port.receive(DTLS, C);
  assert.deepEqual(one.heard, ["validated", "validated", "data 40003", "moved", "dtls 40003"]);
  // From where the other one was.
  port.receive(signedData(1, 6), B);
  assert.deepEqual([one.ice.selected, one.heard.slice(-2)], [B, ["data 40002", "moved"]]);
  assert.deepEqual(two.heard, ["validated", "validated"]);
});

Deno.test("PortMux: data that was overtaken, and handshakes from anywhere, move nobody", () => {
  const { port, meter, one, two } = setUpPort();
  port.receive(checkPacket(one.ice, { useCandidate: true }), A);
  port.receive(signedData(1, 5), A);
  const { tried } = one;
  port.receive(signedData(1, 4), C);
  assert.equal(one.tried, tried + 1);
  port.receive(DTLS, C);
  assert.deepEqual([one.tried, two.tried], [tried + 1, 1], "a handshake is not worth a trial");
  assert.deepEqual(one.ice.selected, A);
  assert.equal(meter.value("packets_dropped_total", { reason: "unknown_source" }), 2);
});

Deno.test("PortMux: a flood of forged data is put to the keys 200 times a second, and no more", () => {
  const { port, one, two } = setUpPort();
  for (let i = 0; i < 1_000; i++) port.receive(signedData(9, i), C);
  assert.equal(one.tried + two.tried, 200);
});
