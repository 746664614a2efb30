import assert from "assert";
import { settle } from "../support/parts/fake_clock.ts";
import { refusal, RegistrySetUp } from "../support/parts/registry_set_up.ts";

/** Whether a promise has settled; tells without waiting. */
function watch(promise: Promise<void>): { isDone: boolean } {
  const state = { isDone: false };
  void promise.then(() => state.isDone = true);
  return state;
}

Deno.test("drain: tells every viewer how long it may stay, and lets nobody in", async () => {
  await using set = new RegistrySetUp();
  const viewer = await set.connect("main");
  const draining = watch(set.registry.drain(60));
  assert.deepEqual(viewer.listener.notices, [{
    code: "shutting_down",
    message: "The server is shutting down; this stream ends within 60 s",
    seconds: 60,
  }]);
  assert.equal((await refusal(set.offer("main"))).code, "shutting_down");
  assert.equal((await refusal(set.offer("other"))).code, "shutting_down");
  await set.pass(30_000, viewer);
  assert.deepEqual([viewer.listener.ends, draining.isDone], [[], false], "it plays on");
  viewer.handle.bye();
  await settle();
  assert.ok(draining.isDone, "the last one has left");
});

Deno.test("drain: an end for those who stay", async () => {
  await using set = new RegistrySetUp();
  const viewer = await set.connect("main");
  const draining = watch(set.registry.drain(5));
  await set.pass(4_500, viewer);
  assert.ok(!draining.isDone);
  await set.pass(500, viewer);
  assert.ok(draining.isDone);
  await set.registry.close();
  assert.deepEqual(viewer.listener.ends.map((error) => error?.code), ["shutting_down"]);
});

Deno.test("drain: nobody waits for nobody, and 0 s is no time to speak of", async () => {
  await using empty = new RegistrySetUp();
  await empty.registry.drain(60);
  await using set = new RegistrySetUp();
  const viewer = await set.connect("main");
  await set.registry.drain(0);
  assert.deepEqual(viewer.listener.notices, []);
  assert.equal((await refusal(set.offer("main"))).code, "shutting_down");
});

Deno.test("drain: a viewer takes its stream up again on a new connection", async () => {
  await using set = new RegistrySetUp();
  const viewer = await set.connect("main");
  const draining = set.registry.drain(60);
  viewer.handle.detach();
  const handle = set.registry.resume("main", viewer.handle.id, viewer.listener);
  assert.equal(handle.state, "connected");
  handle.bye();
  await draining;
});
