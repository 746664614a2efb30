import assert from "assert";
import type { MediaAddress } from "../../src/ports/media_address.ts";
import { checkPacket } from "../support/parts/checks.ts";
import {
  A,
  B,
  DTLS,
  RTCP,
  setUpPort,
  signedRtcp,
  TCP_A,
  TCP_B,
} from "../support/parts/fake_port.ts";

Deno.test("PortMux: one address by UDP and by TCP is two, and each belongs to who proved it", () => {
  const { port, one, two } = setUpPort();
  port.receive(checkPacket(one.ice, { useCandidate: true }), A);
  port.receive(checkPacket(two.ice, { useCandidate: true }), TCP_A);
  for (const from of [A, TCP_A]) port.receive(RTCP, from);
  assert.deepEqual([one.heard, two.heard], [
    ["validated", "validated", "rtcp 40001"],
    ["validated", "rtcp 40001"],
  ], "a connection is not asked for consent");
  assert.deepEqual(port.sent.map(({ to }) => to), [A, TCP_A]);
  assert.deepEqual(port.proven, [A, TCP_A]);
});

Deno.test("PortMux: an authentic check or newer SRTCP proves a TCP connection, nothing else does", () => {
  const { port, one } = setUpPort();
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
  const { port, meter, one } = setUpPort();
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
  const { port, one } = setUpPort();
  port.receive(checkPacket(one.ice), TCP_A);
  port.receive(checkPacket(one.ice, { useCandidate: true }), A);
  port.disconnected(TCP_A);
  port.disconnected(TCP_B);
  assert.deepEqual(one.ice.selected, A);
  assert.deepEqual(one.ice.addresses, [A]);
});

Deno.test("PortMux: addresses that a viewer leaves behind are given up, all of them when it is removed", () => {
  const { port, mux, one, two } = setUpPort();
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
