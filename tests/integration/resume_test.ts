import assert from "assert";
import { eventually } from "../support/deadline.ts";
import { TcpRelay } from "../support/network/tcp_relay.ts";
import { startTestServer, type TestServer } from "../support/servers/test_server.ts";
import { WeriftViewer } from "../support/clients/werift_viewer.ts";

/** A way to the server that can be cut. */
function cuttable(server: TestServer): { relay: TcpRelay; url: string } & Disposable {
  const relay = new TcpRelay(Number(server.host.split(":")[1]));
  const url = `ws://127.0.0.1:${relay.port}/ws/main`;
  return { relay, url, [Symbol.dispose]: () => relay.close() };
}

Deno.test("resume: a WebSocket that breaks off does not end a viewer whose media is alive", async () => {
  await using server = await startTestServer({}, { ports: 1 });
  using way = cuttable(server);
  await using viewer = await WeriftViewer.play(way.url);
  await viewer.state("connected");
  way.relay.cut();
  await viewer.socketClosed();
  await viewer.receives(60);
  assert.equal(await server.usedPlaces(), 1);

  assert.deepEqual(await viewer.resume(way.url), { type: "resumed" });
  await viewer.state("connected");
  await viewer.receives(10);
  viewer.send({ type: "bye" });
  await viewer.socketClosed();
  await eventually(async () => await server.usedPlaces() === 0, { what: "for the place" });
});

Deno.test("resume: a connection that was given up for another does not end the viewer when it goes", async () => {
  await using server = await startTestServer();
  using way = cuttable(server);
  // The server does not know yet that the first connection is no good.
  await using viewer = await WeriftViewer.play(way.url);
  assert.equal((await viewer.resume(server.signallingUrl("main"))).type, "resumed");
  way.relay.cut();
  await viewer.receives(60);
  viewer.send({ type: "message", data: "still there" });
  assert.equal(await server.usedPlaces(), 1);
  assert.equal((await server.sessions())[0]?.viewers[0]?.state, "connected");
  await viewer.closeSocket();
  await eventually(async () => await server.usedPlaces() === 0, { what: "for the place" });
});

Deno.test("resume: who knows the session but not the viewer's secret gets nothing", async () => {
  await using server = await startTestServer();
  await using viewer = await WeriftViewer.play(server.signallingUrl("main"));
  await using thief = await WeriftViewer.join(server.signallingUrl("main"), {
    answer: () => undefined,
  });
  for (const id of ["", "x", viewer.id.slice(1), viewer.id.toUpperCase(), "../main"]) {
    const reply = await thief.resume(server.signallingUrl("main"), id);
    assert.equal(reply.code, "no_such_viewer");
    assert.equal((await thief.socketClosed()).code, 4404);
  }
  const other = await thief.resume(server.signallingUrl("other"), viewer.id);
  assert.equal(other.code, "no_such_viewer");
  await viewer.receives(10);
});

Deno.test("resume: a viewer that is gone for good loses its place as soon as somebody needs it", async () => {
  await using server = await startTestServer({}, { ports: 1 });
  using way = cuttable(server);
  await using gone = await WeriftViewer.play(way.url);
  way.relay.cut();
  await gone.vanish();
  await eventually(async () => {
    await using next = await WeriftViewer.join(server.signallingUrl("main"));
    return next.find("answer") !== undefined;
  }, { what: "for the place of who is gone" });
  assert.equal(await server.metric("viewers_ended_total", { reason: "place_reclaimed" }), 1);
});
