import assert from "assert";
import { PortLeases } from "../../src/ports/leases.ts";
import { ViewerError } from "../../src/session/session_api.ts";
import { RECLAIM_AFTER_MS } from "../../src/session/viewer_state.ts";
import { settle } from "../support/parts/fake_clock.ts";
import { FakeListener, refusal, RegistrySetUp } from "../support/parts/registry_set_up.ts";

Deno.test("registry: an answer names the port that was leased, as the public address has it", async () => {
  await using setUp = new RegistrySetUp({
    publicAddresses: (port, reachedHost) =>
      Promise.resolve({ udp: { address: reachedHost, port: port + 7 }, tcp: undefined }),
  });
  const { handle, peer } = await setUp.join("main");
  assert.equal(peer.port, 10_111);
  assert.equal(handle.answerSdp, "answer for 198.51.100.1 10118");
  assert.match(handle.candidate.candidate, /198\.51\.100\.1 10118 typ host/);
  assert.equal(handle.sessionId, "main");
  assert.equal(handle.state, "connecting");
});

Deno.test("registry: viewer ids are long and all different", async () => {
  await using setUp = new RegistrySetUp();
  const ids = new Set<string>();
  for (let i = 0; i < 4; i++) ids.add((await setUp.join("main")).handle.id);
  assert.equal(ids.size, 4);
  for (const id of ids) assert.match(id, /^[\w-]{24}$/);
});

Deno.test("registry: bye frees the place at once and is heard once", async () => {
  await using setUp = new RegistrySetUp({ ports: 1 });
  const { handle, listener, peer } = await setUp.connect("main");
  handle.bye();
  handle.bye();
  assert.equal(setUp.used, 0);
  assert.ok(peer.isClosed);
  assert.deepEqual(listener.states, ["connected", "closed"]);
  assert.deepEqual(listener.ends, [undefined]);
  assert.equal(setUp.meter.value("viewers_ended_total", { reason: "bye" }), 1);
  await setUp.join("main");
});

Deno.test("registry: a viewer that does not connect loses its place at the connect timeout", async () => {
  await using setUp = new RegistrySetUp();
  const { listener } = await setUp.join("main");
  await setUp.pass(9_900);
  assert.equal(setUp.used, 1);
  await setUp.pass(1_000);
  assert.equal(setUp.used, 0);
  assert.deepEqual([listener.states, listener.ends], [["failed"], [undefined]]);
});

Deno.test("registry: a viewer that falls silent is shown, and ends at the idle timeout", async () => {
  await using setUp = new RegistrySetUp();
  const viewer = await setUp.connect("main");
  await setUp.pass(60_000, viewer);
  assert.deepEqual(viewer.listener.states, ["connected"]);
  await setUp.pass(7_000);
  assert.deepEqual(viewer.listener.states, ["connected", "disconnected"]);
  await setUp.pass(1_000, viewer);
  assert.equal(viewer.listener.states.at(-1), "connected");
  await setUp.pass(31_000);
  assert.deepEqual(viewer.listener.states.slice(-2), ["disconnected", "failed"]);
  assert.equal(setUp.used, 0);
});

Deno.test("registry: a failed handshake and a closed connection free the place", async () => {
  await using setUp = new RegistrySetUp();
  const failed = await setUp.join("main");
  failed.peer.listener.failed(new Error("fingerprint"));
  assert.deepEqual(failed.listener.states, ["failed"]);
  const closed = await setUp.connect("main");
  closed.peer.listener.closed();
  assert.deepEqual(closed.listener.states, ["connected", "closed"]);
  assert.equal(setUp.used, 0);
});

Deno.test("registry: an offer that cannot be read takes no place and opens no session", async () => {
  await using setUp = new RegistrySetUp();
  assert.equal((await refusal(setUp.offer("main", { sdp: "nonsense" }))).code, "bad_sdp");
  assert.equal(setUp.used, 0);
  assert.equal(setUp.renderer.sources.length, 0);
});

Deno.test("registry: a viewer taken up again is heard by the new connection only", async () => {
  await using setUp = new RegistrySetUp();
  const viewer = await setUp.join("main");
  viewer.handle.detach();
  const listener = new FakeListener();
  const handle = setUp.registry.resume("main", viewer.handle.id, listener);
  assert.equal(handle.id, viewer.handle.id);
  viewer.peer.listener.secured();
  assert.deepEqual([viewer.listener.states, listener.states], [[], ["connected"]]);
  handle.message("hello");
  assert.deepEqual(setUp.renderer.latest.heard, ["hello"]);
});

Deno.test("registry: a connection that is noticed to be gone after the resume does no harm", async () => {
  for (const leave of ["bye", "detach"] as const) {
    await using setUp = new RegistrySetUp({ ports: 1 });
    const viewer = await setUp.connect("main");
    const listener = new FakeListener();
    setUp.registry.resume("main", viewer.handle.id, listener);
    viewer.handle[leave]();
    viewer.handle.message("from the past");
    assert.ok(!viewer.peer.isClosed, leave);
    assert.deepEqual(setUp.renderer.latest.heard, []);
    await setUp.clock.advance(RECLAIM_AFTER_MS + 1_000);
    assert.equal((await refusal(setUp.offer("main"))).code, "no_free_port", "it is attached");
    assert.deepEqual(listener.states, ["disconnected"]);
  }
});

Deno.test("registry: nobody takes up a viewer that ended, or one of another session", async () => {
  await using setUp = new RegistrySetUp();
  const { handle } = await setUp.join("main");
  const resume = (session: string, id: string) => () =>
    setUp.registry.resume(session, id, new FakeListener());
  assert.throws(resume("other", handle.id), { code: "no_such_viewer" });
  assert.throws(resume("main", `${handle.id}x`), { code: "no_such_viewer" });
  assert.throws(resume("main", ""), { code: "no_such_viewer" });
  handle.bye();
  assert.throws(resume("main", handle.id), { code: "no_such_viewer" });
});

Deno.test("registry: an address that cannot be found refuses the viewer and frees the place", async () => {
  await using setUp = new RegistrySetUp({
    publicAddresses: () => Promise.reject(new ViewerError("internal", "Cannot find the address")),
  });
  const { code, message } = await refusal(setUp.offer("main"));
  assert.deepEqual([code, message], ["internal", "Cannot find the address"]);
  await settle();
  assert.equal(setUp.used, 0);
  assert.ok(setUp.renderer.sources.every(({ isClosed }) => isClosed));
});

Deno.test("registry: an unexpected error is told without its words, and frees the place", async () => {
  await using setUp = new RegistrySetUp({
    publicAddresses: () => Promise.reject(new Error("secret path /etc/x")),
  });
  const { code, message } = await refusal(setUp.offer("main"));
  assert.equal(code, "internal");
  assert.ok(!message.includes("secret"));
  await settle();
  assert.equal(setUp.used, 0);
});

Deno.test("registry: when it closes, viewers are told, sessions end, and nobody is let in", async () => {
  const setUp = new RegistrySetUp();
  const viewers = [await setUp.connect("one"), await setUp.connect("one"), await setUp.join("two")];
  const { promise, resolve } = Promise.withResolvers<void>();
  setUp.renderer.gate = () => promise;
  const late = refusal(setUp.offer("three"));
  const closed = setUp.registry.close();
  resolve();
  await closed;
  for (const { listener } of viewers) {
    assert.equal(listener.ends[0]?.code, "shutting_down");
    assert.ok(!listener.states.includes("closed"), "the error comes first, and says it all");
  }
  assert.equal((await late).code, "shutting_down");
  assert.equal((await refusal(setUp.offer("one"))).code, "shutting_down");
  assert.equal(setUp.used, 0);
  assert.ok(setUp.renderer.sources.every(({ isClosed }) => isClosed));
  assert.ok(setUp.encoders.opened.every(({ isClosed }) => isClosed));
  await setUp.registry.close();
  assert.equal(setUp.clock.pending, 0);
});

Deno.test("registry: the report shows what goes on, and no secret", async () => {
  await using setUp = new RegistrySetUp();
  const { handle } = await setUp.connect("main");
  await setUp.clock.advance(1_500);
  assert.deepEqual(setUp.registry.report, [{
    id: "main",
    age_s: 1.5,
    viewers: [{
      port: 10_111,
      transport: "udp",
      state: "connected",
      codec: "h264",
      age_s: 1.5,
      round_trip_ms: null,
      jitter_ms: 0,
      fraction_lost: 0,
      packets_sent: 0,
      bitrate_kbps: 0,
      target_kbps: 100,
      queue_ms: null,
      path_viewers: 1,
      bytes_sent: 0,
      packets_retransmitted: 0,
    }],
    renderer: { state: "frames", failures_in_a_row: 0, error: null, last_frame_age_s: 0 },
  }]);
  assert.ok(!JSON.stringify(setUp.registry.report).includes(handle.id));
});

Deno.test("registry: gauges follow places and viewers", async () => {
  const leases = new PortLeases([1, 2], { placesPerPort: 2 });
  await using setUp = new RegistrySetUp({ leases });
  await setUp.connect("main");
  await setUp.join("main");
  await setUp.join("other");
  await setUp.clock.advance(500);
  const { meter } = setUp;
  assert.equal(meter.value("sessions"), 2);
  assert.equal(meter.value("viewers", { state: "connected" }), 1);
  assert.equal(meter.value("viewers", { state: "connecting" }), 2);
  assert.equal(meter.value("port_places", { port: 1, state: "used" }), 2);
  assert.equal(meter.value("port_places", { port: 2, state: "free" }), 1);
  assert.equal(meter.value("viewers_joined_total"), 3);
});

Deno.test("registry: a renderer that encodes hears what its viewers' paths take, in bits a second", async () => {
  await using set = new RegistrySetUp();
  const told: number[] = [];
  set.renderer.prepare = (source) =>
    Object.assign(source, {
      next: (timestampUs: number) =>
        Promise.resolve({
          status: "frame",
          frame: {
            kind: "h264",
            data: Uint8Array.of(0, 0, 0, 1, 0x65, 1, 2, 3),
            keyframe: true,
            timestampUs,
          },
        }),
      setBitrate: (bitsPerSecond: number) => told.push(bitsPerSecond),
    });
  const viewer = await set.connect("main");
  await set.pass(1_000, viewer);
  assert.deepEqual(told, [], "the renderer was opened with this rate");
  viewer.peer.video.targetKbps = 70.4;
  await set.pass(1_000, viewer);
  assert.deepEqual(told, [70_400]);
});
