import assert from "assert";
import { startServer } from "../../src/app/compose.ts";
import { openMetrics } from "../../src/app/metrics.ts";
import { NULL_LOGGER } from "../../src/base/log.ts";
import { PortsError } from "../../src/ports/port_range.ts";
import { openUdpPort } from "../../src/ports/udp_port.ts";
import { eventually } from "../support/deadline.ts";
import {
  freePortRange,
  NO_HOST,
  startTestServer,
  testConfig,
  type TestServer,
} from "../support/servers/test_server.ts";
import { WeriftViewer } from "../support/clients/werift_viewer.ts";

/** An offer that is answered and never acted on. */
const IDLE = { answer: () => undefined };

async function placesBecome(server: TestServer, count: number): Promise<void> {
  await eventually(async () => await server.usedPlaces() === count, {
    what: `for ${count} places to be taken`,
  });
}

Deno.test("leases: with all places taken the next viewer is told so, and when to come back", async () => {
  await using server = await startTestServer();
  await using one = await WeriftViewer.join(server.signallingUrl("main"), IDLE);
  await using two = await WeriftViewer.join(server.signallingUrl("main"), IDLE);
  assert.notEqual(one.answerSdp, two.answerSdp);
  await using three = await WeriftViewer.join(server.signallingUrl("main"));
  const error = three.find("error");
  assert.equal(error?.code, "no_free_port");
  assert.ok(Number(error?.retry_after_ms) > 0);
  assert.equal((await three.socketClosed()).code, 4429);
  assert.equal(await server.metric("viewers_refused_total", { code: "no_free_port" }), 1);
});

Deno.test("leases: bye and a clean close free the place at once", async () => {
  await using server = await startTestServer({}, { ports: 1 });
  const leave = [
    (viewer: WeriftViewer) => viewer.send({ type: "bye" }),
    (viewer: WeriftViewer) => viewer.closeSocket(1000),
    (viewer: WeriftViewer) => viewer.closeSocket(),
  ];
  for (const by of leave) {
    await using viewer = await WeriftViewer.play(server.signallingUrl("main"));
    await by(viewer);
    await viewer.socketClosed();
    // Nothing but the way of the message to the server is waited for.
    await placesBecome(server, 0);
  }
  assert.equal(await server.metric("viewers_ended_total", { reason: "bye" }), 3);
});

Deno.test("leases: the port of who left last is leased last", async () => {
  await using server = await startTestServer({}, { ports: 3 });
  const ports: (number | undefined)[] = [];
  for (let i = 0; i < 4; i++) {
    await using _viewer = await WeriftViewer.join(server.signallingUrl("main"), IDLE);
    ports.push((await server.sessions())[0]?.viewers[0]?.port);
  }
  assert.equal(new Set(ports.slice(0, 3)).size, 3);
  assert.equal(ports[3], ports[0]);
});

Deno.test("leases: a viewer that never connects loses its place at the connect timeout", async () => {
  await using server = await startTestServer({ webrtc: { connect_timeout_s: 1 } });
  await using viewer = await WeriftViewer.join(server.signallingUrl("main"), IDLE);
  assert.equal(await server.usedPlaces(), 1);
  await viewer.state("failed");
  assert.equal(await server.usedPlaces(), 0);
  assert.equal(await server.metric("viewers_ended_total", { reason: "connect_timeout" }), 1);
});

Deno.test("leases: a viewer that vanishes loses its place at the idle timeout", async () => {
  await using server = await startTestServer({ webrtc: { idle_timeout_s: 1 } });
  await using viewer = await WeriftViewer.play(server.signallingUrl("main"));
  await viewer.state("connected");
  await viewer.vanish();
  await viewer.state("failed");
  assert.equal(await server.usedPlaces(), 0);
  assert.equal(await server.metric("viewers_ended_total", { reason: "idle_timeout" }), 1);
});

Deno.test("leases: a new offer on the same connection takes the former viewer's place", async () => {
  await using server = await startTestServer({}, { ports: 1 });
  await using viewer = await WeriftViewer.join(server.signallingUrl("main"), IDLE);
  const { localDescription } = viewer.peer;
  viewer.messages.length = 0;
  viewer.send({ type: "offer", sdp: localDescription?.sdp });
  assert.equal((await viewer.nextOf("answer", "error")).type, "answer");
  assert.equal(await server.usedPlaces(), 1);
});

Deno.test("leases: a port that another program has is reported, and the rest serves", async () => {
  const span = freePortRange(2);
  const other = openUdpPort("127.0.0.1", span.portMin);
  const errors: unknown[] = [];
  const log = {
    ...NULL_LOGGER,
    error: (event: string, fields = {}) => errors.push([event, fields]),
  };
  const server = await startServer(testConfig({}, span), {
    observers: { log, ...openMetrics() },
    bridgeHostCommand: NO_HOST,
  });
  assert.deepEqual(server.mediaPorts, [span.portMax]);
  const reason =
    "another program uses it, perhaps another Pinhole; stop that one (see `ss -ulpn`), " +
    "or change webrtc.port_min and webrtc.port_max";
  assert.deepEqual(errors, [["port_not_bound", { transport: "udp", port: span.portMin, reason }]]);
  await using viewer = await WeriftViewer.play(`ws://127.0.0.1:${server.address.port}/ws/main`);
  assert.match(viewer.answerSdp, new RegExp(`^m=video ${span.portMax} `, "m"));
  await server.close();
  await other.close();
});

Deno.test("leases: with every port taken the server does not start, and says why", async () => {
  const span = freePortRange(2);
  const others = [openUdpPort("127.0.0.1", span.portMin), openUdpPort("127.0.0.1", span.portMax)];
  const starting = startServer(testConfig({}, span), {
    observers: { log: NULL_LOGGER, ...openMetrics() },
    bridgeHostCommand: NO_HOST,
  });
  await assert.rejects(starting, (error) => {
    assert.ok(error instanceof PortsError);
    assert.match(error.message, new RegExp(`${span.portMin}-${span.portMax}.*another program`));
    return true;
  });
  await Promise.all(others.map((port) => port.close()));
});

Deno.test("leases: closing the server tells its viewers and frees ports for the next one", async () => {
  const span = freePortRange(2);
  const start = () =>
    startServer(testConfig({}, span), {
      observers: { log: NULL_LOGGER, ...openMetrics() },
      bridgeHostCommand: NO_HOST,
    });
  const server = await start();
  await using viewer = await WeriftViewer.play(`ws://127.0.0.1:${server.address.port}/ws/main`);
  const closed = server.close();
  assert.equal((await viewer.nextOf("error")).code, "shutting_down");
  assert.equal((await viewer.socketClosed()).code, 1001);
  await closed;
  const next = await start();
  assert.deepEqual(next.mediaPorts, [span.portMin, span.portMax]);
  await next.close();
});
