import assert from "assert";
import { TCP_UNPROVEN_CONNECTIONS_MAX } from "../../src/ports/limits.ts";
import { eventually } from "../support/deadline.ts";
import { decodeFrames } from "../support/media/decoder.ts";
import { IceTcpTunnel } from "../support/network/ice_tcp_tunnel.ts";
import { assertEveryPicture } from "../support/media/picture_numbers.ts";
import { Random } from "../support/random.ts";
import { rubbish, TcpPeer } from "../support/clients/tcp_peer.ts";
import {
  type ConfigOverrides,
  startTestServer,
  type TestServer,
} from "../support/servers/test_server.ts";
import { WeriftViewer } from "../support/clients/werift_viewer.ts";

const WITH_TCP: ConfigOverrides = { webrtc: { tcp: true, peers_per_port: 4 } };

function startServer(overrides: ConfigOverrides = {}): Promise<TestServer> {
  return startTestServer({ ...WITH_TCP, ...overrides }, { ports: 1 });
}

function portOf(server: TestServer): number {
  return server.ports[0] ?? assert.fail();
}

/** A viewer whose packets take the tunnel instead of UDP. */
function joinByTcp(
  server: TestServer,
  session: string,
  tunnel: IceTcpTunnel,
): Promise<WeriftViewer> {
  return WeriftViewer.play(server.signallingUrl(session), {
    answer: (sdp) =>
      sdp.replace(/^a=candidate:.* tcp .*\r\n/m, "")
        .replace(/^(a=candidate:.* 127\.0\.0\.1) \d+/m, `$1 ${tunnel.port}`),
  });
}

function proven(server: TestServer): Promise<number> {
  return server.metric("ice_tcp_connections", { state: "proven" });
}

Deno.test("ICE-TCP: a viewer gets every picture in order, and its connection ends with it", async () => {
  await using server = await startServer();
  await using tunnel = new IceTcpTunnel(() => portOf(server));
  {
    await using viewer = await joinByTcp(server, "main", tunnel);
    while (viewer.frames.length < 30) await viewer.receives();
    const frames = viewer.frames.slice(0, 30);
    assert.ok(frames[0]?.keyframe);
    const pictures = await decodeFrames("h264", frames.map(({ data }) => data));
    const numbers = pictures.map(({ code }) => code?.frameNumber ?? assert.fail("no block code"));
    await assertEveryPicture(server, numbers);
    await viewer.state("connected");
    assert.equal(await proven(server), 1);
    assert.equal(await server.usedPlaces(), 1);
    assert.equal((await server.sessions())[0]?.viewers[0]?.transport, "tcp");
    await viewer.pli();
    await eventually(
      async () => await server.metric("keyframes_requested_total", { reason: "pli" }) === 1,
      { what: "for the server to hear it" },
    );
  }
  await eventually(async () => await proven(server) === 0, { what: "for the connection to end" });
  assert.equal(await server.metric("ice_tcp_ended_total", { reason: "released" }), 1);
  assert.equal(await server.usedPlaces(), 0);
});

Deno.test("ICE-TCP: the answer offers UDP first and the same port by TCP, where it is on", async () => {
  await using server = await startServer();
  await using viewer = await WeriftViewer.join(server.signallingUrl("main"), {
    answer: () => undefined,
  });
  const candidates = viewer.answerSdp.match(/^a=candidate:.*(?=\r$)/gm) ?? [];
  const port = portOf(server);
  assert.deepEqual(candidates.map((line) => line.replace(/^a=candidate:\d 1 (\w+) \d+/, "$1")), [
    `udp 127.0.0.1 ${port} typ host`,
    `tcp 127.0.0.1 ${port} typ host tcptype passive`,
  ]);
});

Deno.test("ICE-TCP: after a cut the viewer goes on by its next connection, without a new offer", async () => {
  await using server = await startServer();
  await using tunnel = new IceTcpTunnel(() => portOf(server));
  await using viewer = await joinByTcp(server, "main", tunnel);
  await viewer.state("connected");
  await tunnel.cut();
  await eventually(async () => await server.metric("ice_tcp_ended_total") === 1, {
    what: "for the server to see it",
  });
  await viewer.receives(30);
  assert.equal(await server.metric("viewer_moves_total"), 1);
  assert.equal(await server.metric("keyframes_requested_total", { reason: "moved" }), 1);
  assert.equal(await proven(server), 1);
  assert.equal(await server.metric("viewers_joined_total"), 1);
});

Deno.test("ICE-TCP: a reader that stops costs nobody else anything, and comes back by a keyframe", async () => {
  await using server = await startServer({
    video: { width: 640, height: 360, bitrate_kbps: 4_000 },
  });
  await using tunnel = new IceTcpTunnel(() => portOf(server));
  await using slow = await joinByTcp(server, "main", tunnel);
  await using other = await WeriftViewer.play(server.signallingUrl("main"));
  const dropped = () => server.metric("packets_dropped_total", { reason: "tcp_backlog" });
  const before = Deno.memoryUsage().rss;
  tunnel.pause();
  await eventually(async () => await dropped() > 100, { what: "for packets to be dropped" });
  const grownMb = (Deno.memoryUsage().rss - before) / 1e6;
  assert.ok(grownMb < 60, `${grownMb} MB more`);
  const seen = other.frames.length;
  await other.receives(60);
  assert.ok(other.frames.length > seen);
  const packet = slow.packets.length;
  tunnel.resume();
  await eventually(async () => {
    await slow.pli();
    return slow.packets.slice(packet).length > 60 &&
      slow.frames.filter(({ keyframe }) => keyframe).length > 1;
  }, { what: "for a picture from a keyframe on" });
});

Deno.test("ICE-TCP: strangers that connect and wait keep no viewer out", async () => {
  await using server = await startServer();
  await using strangers = new AsyncDisposableStack();
  for (let count = 0; count < 2 * TCP_UNPROVEN_CONNECTIONS_MAX; count++) {
    strangers.use(await TcpPeer.connect(portOf(server)));
  }
  await using tunnel = new IceTcpTunnel(() => portOf(server));
  await using viewer = await joinByTcp(server, "main", tunnel);
  await viewer.receives(10);
  assert.ok(
    await server.metric("ice_tcp_connections", { state: "unproven" }) <=
      TCP_UNPROVEN_CONNECTIONS_MAX,
  );
});

Deno.test("ICE-TCP: a thousand connections that send rubbish do no harm", async () => {
  await using server = await startServer();
  await using tunnel = new IceTcpTunnel(() => portOf(server));
  await using viewer = await joinByTcp(server, "main", tunnel);
  const random = new Random(6_544);
  const expected = { too_long: 0, not_webrtc: 0 };
  for (let round = 0; round < 50; round++) {
    await Promise.all(Array.from({ length: 20 }, async () => {
      const { bytes, reason } = rubbish(random);
      await using stranger = await TcpPeer.connect(portOf(server));
      await stranger.write(bytes);
      if (reason !== undefined) {
        expected[reason]++;
        await stranger.closes();
      }
      assert.equal(stranger.packets.length, 0);
    }));
  }
  await viewer.receives(10);
  for (const [reason, count] of Object.entries(expected)) {
    assert.ok(await server.metric("ice_tcp_ended_total", { reason }) >= count, reason);
  }
  assert.equal(await server.metric("packets_dropped_total", { reason: "internal_error" }), 0);
  assert.equal(await proven(server), 1);
});
