import assert from "assert";
import { NULL_LOGGER } from "../../src/base/log.ts";
import { NULL_METER } from "../../src/base/meter.ts";
import { openPortRange, PortsError } from "../../src/ports/port_range.ts";
import { openUdpPort } from "../../src/ports/udp_port.ts";
import { FakeClock } from "../support/parts/fake_clock.ts";
import { freePortRange } from "../support/servers/test_server.ts";

const HOST = "127.0.0.1";
const UDP = {
  hostname: HOST,
  clock: new FakeClock(),
  meter: NULL_METER,
  log: NULL_LOGGER,
};

/** The ports of an inclusive range, by UDP unless said otherwise. */
function portsOf(
  { portMin, portMax }: { portMin: number; portMax: number },
  transports: { udp?: boolean; tcp?: boolean } = {},
) {
  return Array.from({ length: portMax - portMin + 1 }, (_, at) => ({
    port: portMin + at,
    udp: true,
    tcp: false,
    ...transports,
  }));
}

Deno.test("openPortRange: binds each port of the range, and keeps it", async () => {
  const span = freePortRange(3);
  const range = openPortRange({ ...UDP, ports: portsOf(span) });
  const { portMin } = span;
  assert.deepEqual(range.ports.map(({ port }) => port), [portMin, portMin + 1, portMin + 2]);
  assert.deepEqual(range.failed, []);
  assert.throws(() => openUdpPort(HOST, portMin + 1), Deno.errors.AddrInUse);
  await Promise.all(range.ports.map((port) => port.close()));
});

Deno.test("openPortRange: a port that another program has is reported by number, the others serve", async () => {
  const span = freePortRange(3);
  const other = openUdpPort(HOST, span.portMin + 1);
  const range = openPortRange({ ...UDP, ports: portsOf(span) });
  assert.deepEqual(range.ports.map(({ port }) => port), [span.portMin, span.portMax]);
  assert.deepEqual(range.failed.map(({ port }) => port), [span.portMin + 1]);
  assert.match(range.failed[0]?.reason ?? "", /another program/);
  await Promise.all([...range.ports, other].map((port) => port.close()));
});

Deno.test("openPortRange: no port at all is an error that names range, address and reason", async () => {
  const span = freePortRange(2);
  const others = [openUdpPort(HOST, span.portMin), openUdpPort(HOST, span.portMax)];
  assert.throws(() => openPortRange({ ...UDP, ports: portsOf(span) }), (error) => {
    assert.ok(error instanceof PortsError);
    assert.equal(error.code, "no_port_bound");
    assert.match(error.message, new RegExp(`${span.portMin}-${span.portMax} on ${HOST}`));
    assert.match(error.message, /another program.*another Pinhole/);
    assert.match(error.message, /webrtc\.port_min and webrtc\.port_max/);
    return true;
  });
  await Promise.all(others.map((port) => port.close()));
});

Deno.test("openPortRange: an address that the host does not have is named as such", () => {
  assert.throws(
    () =>
      openPortRange({
        ...UDP,
        hostname: "203.0.113.7",
        ports: portsOf({ portMin: 30_000, portMax: 30_001 }),
      }),
    /webrtc\.listen is not an address of this host/,
  );
});

Deno.test("openPortRange: with TCP each port takes both, and one that TCP does not get serves UDP", async () => {
  const span = freePortRange(2);
  const other = Deno.listen({ hostname: HOST, port: span.portMin });
  const range = openPortRange({ ...UDP, ports: portsOf(span, { tcp: true }) });
  assert.deepEqual(range.ports.map(({ port, takesTcp }) => [port, takesTcp]), [
    [span.portMin, false],
    [span.portMax, true],
  ]);
  assert.deepEqual(range.failed.map(({ transport, port }) => [transport, port]), [
    ["tcp", span.portMin],
  ]);
  assert.match(range.failed[0]?.reason ?? "", /ss -tlpn/);
  other.close();
  await Promise.all(range.ports.map((port) => port.close()));
});

Deno.test("openPortRange: without TCP nothing listens there", async () => {
  const span = freePortRange(1);
  const range = openPortRange({ ...UDP, ports: portsOf(span) });
  assert.deepEqual(range.ports.map(({ takesTcp }) => takesTcp), [false]);
  await assert.rejects(
    Deno.connect({ hostname: HOST, port: span.portMin }),
    Deno.errors.ConnectionRefused,
  );
  await Promise.all(range.ports.map((port) => port.close()));
});

Deno.test("openPortRange: without UDP a port takes TCP alone, and one that is in use is left out", async () => {
  const span = freePortRange(2);
  const other = Deno.listen({ hostname: HOST, port: span.portMin });
  const ports = portsOf(span, { udp: false, tcp: true });
  const range = openPortRange({ ...UDP, ports });
  assert.deepEqual(range.ports.map(({ port, takesUdp, takesTcp }) => [port, takesUdp, takesTcp]), [
    [span.portMax, false, true],
  ]);
  assert.deepEqual(range.failed.map(({ transport, port }) => [transport, port]), [
    ["tcp", span.portMin],
  ]);
  openUdpPort(HOST, span.portMax).close();
  assert.throws(
    () => openPortRange({ ...UDP, ports: ports.slice(0, 1) }),
    new RegExp(`Cannot bind any TCP port of ${span.portMin} on`),
  );
  other.close();
  await Promise.all(range.ports.map((port) => port.close()));
});
