import assert from "assert";
import { Heartbeat } from "../../src/session/heartbeat.ts";
import { settle } from "../support/parts/fake_clock.ts";
import { RegistrySetUp } from "../support/parts/registry_set_up.ts";

Deno.test("Heartbeat: counts how long the slowest session stands still", () => {
  const heartbeat = new Heartbeat(500);
  const [a, b] = [{ id: "a", steps: 1 }, { id: "b", steps: 1 }];
  heartbeat.look([a, b]);
  assert.equal(heartbeat.longest, undefined, "nothing is known after one look");
  heartbeat.look([a, { ...b, steps: 2 }]);
  heartbeat.look([a, { ...b, steps: 2 }]);
  assert.deepEqual(heartbeat.longest, { session: "a", ms: 1000 });
  heartbeat.look([{ ...a, steps: 2 }, { ...b, steps: 2 }]);
  assert.deepEqual(heartbeat.longest, { session: "b", ms: 1000 });
  heartbeat.look([{ ...a, steps: 3 }]);
  assert.equal(heartbeat.longest, undefined, "a session that closed is forgotten");
  heartbeat.look([{ id: "c", steps: undefined }]);
  heartbeat.look([{ id: "c", steps: undefined }]);
  assert.equal(heartbeat.longest, undefined, "nothing is expected of one that has not begun");
});

Deno.test("standstill: a session whose loop is stuck is found", async () => {
  await using set = new RegistrySetUp();
  const viewer = await set.connect("main");
  await set.pass(3_000, viewer);
  assert.equal(set.registry.standstill, undefined);
  // The picture is never taken: the loop waits inside our own code.
  const encoder = set.encoders.latest;
  const stuck = Promise.withResolvers<void>();
  encoder.loadGate = () => stuck.promise;
  await set.pass(5_000, viewer);
  const { session, ms } = set.registry.standstill ?? {};
  assert.equal(session, "main");
  assert.ok(ms !== undefined && ms >= 4_000 && ms <= 5_000, `${ms} ms`);
  stuck.resolve();
  await settle();
  await set.pass(1_000, viewer);
  assert.equal(set.registry.standstill, undefined, "it came to itself");
});

Deno.test("standstill: a renderer that hangs, opens slowly or has ended leaves its session alive", async () => {
  await using set = new RegistrySetUp();
  const viewer = await set.connect("main");
  const hanging = Promise.withResolvers<never>();
  set.renderer.latest.next = () => hanging.promise;
  await set.pass(20_000, viewer);
  assert.equal(set.registry.standstill, undefined);

  const opening = Promise.withResolvers<void>();
  set.renderer.gate = () => opening.promise;
  const joining = set.offer("slow");
  await set.pass(20_000, viewer);
  assert.equal(set.registry.standstill, undefined);
  opening.resolve();
  await settle();
  const handle = await joining;
  handle.bye();
});

Deno.test("standstill: a process that was stopped for a while finds nothing stuck", async () => {
  await using set = new RegistrySetUp();
  const viewer = await set.connect("main");
  set.clock.stall(60_000);
  viewer.peer.heardAtMs = set.clock.now();
  await set.clock.advance(0);
  assert.equal(set.registry.standstill, undefined);
});
