import assert from "assert";
import { RECLAIM_AFTER_MS } from "../../src/session/viewer_state.ts";
import { settle } from "../support/parts/fake_clock.ts";
import { refusal, RegistrySetUp } from "../support/parts/registry_set_up.ts";

Deno.test("registry: with every place taken, the answer is no_free_port and when to come back", async () => {
  await using setUp = new RegistrySetUp({ ports: 2 });
  await setUp.connect("one");
  await setUp.connect("two");
  const { code, retryAfterMs = 0, message } = await refusal(setUp.offer("three"));
  assert.equal(code, "no_free_port");
  assert.match(message, /All 2 places .* are taken/);
  assert.ok(retryAfterMs >= 100 && retryAfterMs <= 5_000);
});

Deno.test("registry: while the public address is being looked up, no place is held and no session opens", async () => {
  let isSlow = true;
  const { promise: never } = Promise.withResolvers<void>();
  await using setUp = new RegistrySetUp({
    ports: 1,
    findAddress: () => isSlow ? never : Promise.resolve(),
  });
  void setUp.offer("slow");
  await settle();
  assert.equal(setUp.used, 0);
  assert.deepEqual(setUp.registry.report, []);
  isSlow = false;
  await setUp.join("quick");
  assert.equal(setUp.used, 1);
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

Deno.test("registry: a session takes so many viewers and no more, those included that are joining", async () => {
  await using setUp = new RegistrySetUp({ limits: { viewersPerSession: 2 } });
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
  await using setUp = new RegistrySetUp({ limits: { sessionsMax: 1 } });
  const [, second] = await Promise.allSettled([setUp.offer("one"), setUp.offer("two")]);
  assert.equal(second.status, "rejected");
  assert.equal((await refusal(setUp.offer("two"))).code, "session_full");
  await setUp.join("one");
  assert.equal(setUp.used, 2);
});

Deno.test("registry: a session counts until its renderer has let go of it", async () => {
  await using setUp = new RegistrySetUp({ limits: { sessionsMax: 1 } });
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

Deno.test("registry: hundreds of viewers of every fate leak no place", async () => {
  await using setUp = new RegistrySetUp({
    ports: 3,
    video: () => ({ width: 16, height: 16, fps: 1, bitrateKbps: 100 }),
    deadlines: () => ({ connectTimeoutMs: 1_000, idleTimeoutMs: 1_000 }),
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

Deno.test("registry: while the server is busy, new viewers and sessions are refused, and others go on", async () => {
  let isBusy = false;
  await using setUp = new RegistrySetUp({ isBusy: () => isBusy });
  const viewer = await setUp.connect("main");
  isBusy = true;
  for (const session of ["main", "other"]) {
    const { code, reason, retryAfterMs } = await refusal(setUp.offer(session));
    assert.deepEqual([code, reason, retryAfterMs], ["no_free_port", "busy", 5_000]);
  }
  assert.equal(setUp.used, 1);
  assert.equal(setUp.registry.report.length, 1);
  assert.ok(!viewer.peer.isClosed);
  setUp.registry.resume("main", viewer.handle.id, viewer.listener);
  isBusy = false;
  await setUp.join("main");
});
