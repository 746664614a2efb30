import assert from "assert";
import { PortLeases } from "../../src/ports/leases.ts";
import { ViewerError } from "../../src/session/door.ts";
import { RECLAIM_AFTER_MS } from "../../src/session/viewer_state.ts";
import { settle } from "../support/fake_clock.ts";
import { FakeListener, RegistrySetUp } from "../support/registry_set_up.ts";

/** The refusal that an offer got. */
async function refusal(joining: Promise<unknown>): Promise<ViewerError> {
  const error = await joining.then(() => undefined, (error) => error);
  assert.ok(error instanceof ViewerError, "the offer was let in");
  return error;
}

Deno.test("registry: an answer names the port that was leased, as the public address has it", async () => {
  await using setUp = new RegistrySetUp({
    publicAddress: (port, reachedHost) => Promise.resolve({ address: reachedHost, port: port + 7 }),
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

Deno.test("registry: with every place taken, the answer is no_free_port and when to come back", async () => {
  await using setUp = new RegistrySetUp({ ports: 2 });
  await setUp.connect("one");
  await setUp.connect("two");
  const { code, retryAfterMs = 0, message } = await refusal(setUp.offer("three"));
  assert.equal(code, "no_free_port");
  assert.match(message, /2 places/);
  assert.ok(retryAfterMs >= 100 && retryAfterMs <= 5_000);
});

Deno.test("registry: a place is reclaimed from who has neither signalling nor a sign of life for 5 s", async () => {
  await using setUp = new RegistrySetUp({ ports: 1 });
  const gone = await setUp.connect("main");
  gone.handle.detach();
  await setUp.clock.advance(RECLAIM_AFTER_MS - 1_000);
  const { code, retryAfterMs } = await refusal(setUp.offer("main"));
  assert.deepEqual([code, retryAfterMs], ["no_free_port", 1_000]);
  await setUp.clock.advance(retryAfterMs ?? 0);
  await setUp.join("main");
  assert.ok(gone.peer.isClosed);
  assert.deepEqual(gone.listener.ends, [], "nobody is there to be told");
  assert.equal(setUp.meter.value("viewers_ended_total", { reason: "place_reclaimed" }), 1);
});

Deno.test("registry: a viewer without signalling keeps its place while its media is alive", async () => {
  await using setUp = new RegistrySetUp({ ports: 1 });
  const viewer = await setUp.connect("main");
  viewer.handle.detach();
  await setUp.pass(60_000, viewer);
  assert.equal((await refusal(setUp.offer("other"))).code, "no_free_port");
  assert.ok(!viewer.peer.isClosed);
});

Deno.test("registry: without need nobody loses the place before the idle timeout", async () => {
  await using setUp = new RegistrySetUp({ ports: 2 });
  const gone = await setUp.connect("main");
  gone.handle.detach();
  await setUp.clock.advance(20_000);
  await setUp.join("main");
  assert.ok(!gone.peer.isClosed);
});

Deno.test("registry: only as many places are reclaimed as are needed", async () => {
  await using setUp = new RegistrySetUp({ ports: 3 });
  const gone = [await setUp.connect("a"), await setUp.connect("b"), await setUp.connect("c")];
  for (const { handle } of gone) handle.detach();
  await setUp.clock.advance(6_000);
  await setUp.join("d");
  assert.equal(gone.filter(({ peer }) => peer.isClosed).length, 1);
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

Deno.test("registry: a session takes so many viewers and no more, those included that are joining", async () => {
  await using setUp = new RegistrySetUp({ viewersPerSession: 2 });
  const [one, two, three] = await Promise.allSettled([
    setUp.offer("main"),
    setUp.offer("main"),
    setUp.offer("main"),
  ]);
  assert.deepEqual([one.status, two.status, three.status], ["fulfilled", "fulfilled", "rejected"]);
  const { code, retryAfterMs } = await refusal(setUp.offer("main"));
  assert.equal(code, "session_full");
  assert.ok((retryAfterMs ?? 0) > 0);
  assert.equal(setUp.used, 2);
  await setUp.join("other");
});

Deno.test("registry: so many sessions and no more, and viewers may still join those that are open", async () => {
  await using setUp = new RegistrySetUp({ sessionsMax: 1 });
  const [, second] = await Promise.allSettled([setUp.offer("one"), setUp.offer("two")]);
  assert.equal(second.status, "rejected");
  assert.equal((await refusal(setUp.offer("two"))).code, "session_full");
  await setUp.join("one");
  assert.equal(setUp.used, 2);
});

Deno.test("registry: a session counts until its renderer has let go of it", async () => {
  await using setUp = new RegistrySetUp({ sessionsMax: 1 });
  const { promise, resolve } = Promise.withResolvers<void>();
  setUp.renderer.prepare = (source) => source.closing = promise;
  (await setUp.connect("one")).handle.bye();
  await settle();
  assert.equal((await refusal(setUp.offer("two"))).code, "session_full");
  const again = setUp.offer("one");
  resolve();
  await again;
  assert.equal((await refusal(setUp.offer("two"))).code, "session_full");
});

Deno.test("registry: an address that cannot be found refuses the viewer and frees the place", async () => {
  await using setUp = new RegistrySetUp({
    publicAddress: () => Promise.reject(new ViewerError("internal", "Cannot find the address")),
  });
  const { code, message } = await refusal(setUp.offer("main"));
  assert.deepEqual([code, message], ["internal", "Cannot find the address"]);
  await settle();
  assert.equal(setUp.used, 0);
  assert.ok(setUp.renderer.sources.every(({ isClosed }) => isClosed));
});

Deno.test("registry: an unexpected error is told without its words, and frees the place", async () => {
  await using setUp = new RegistrySetUp({
    publicAddress: () => Promise.reject(new Error("secret path /etc/x")),
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
    assert.equal(listener.states.at(-1), "closed");
    assert.equal(listener.ends[0]?.code, "shutting_down");
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
      state: "connected",
      codec: "h264",
      age_s: 1.5,
      round_trip_ms: null,
      jitter_ms: 0,
      fraction_lost: 0,
      packets_sent: 0,
      bytes_sent: 0,
      packets_retransmitted: 0,
    }],
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

Deno.test("registry: hundreds of viewers of every fate leak no place", async () => {
  await using setUp = new RegistrySetUp({
    ports: 3,
    video: { width: 16, height: 16, fps: 1, bitrateKbps: 100 },
    deadlines: { connectTimeoutMs: 1_000, idleTimeoutMs: 1_000 },
  });
  const fates = ["bye", "failed", "closed", "detach", "timeout", "bad_sdp"] as const;
  for (let turn = 0; turn < 600; turn++) {
    const fate = fates[turn % fates.length];
    if (fate === "bad_sdp") {
      await refusal(setUp.offer("main", { sdp: "?" }));
      continue;
    }
    const { handle, peer } = await setUp.join(`s${turn % 4}`);
    if (fate === "bye") handle.bye();
    if (fate === "failed") peer.listener.failed(new Error("x"));
    if (fate === "closed") peer.listener.closed();
    if (fate === "detach") handle.detach();
    if (fate === "timeout" || fate === "detach") await setUp.clock.advance(1_500);
  }
  await settle();
  assert.equal(setUp.used, 0);
  assert.deepEqual(setUp.peers.open, []);
  assert.deepEqual(setUp.registry.report, []);
});
