import assert from "assert";
import { settle } from "../support/parts/fake_clock.ts";
import { RecordingLog } from "../support/media/idle_library.ts";
import { FakeListener, RegistrySetUp } from "../support/parts/registry_set_up.ts";

Deno.test("registry: a client that goes while its session opens frees its place at once", async () => {
  await using setUp = new RegistrySetUp({ ports: 1 });
  const opening = Promise.withResolvers<void>();
  setUp.renderer.gate = () => opening.promise;
  const departure = new AbortController();
  const listener = new FakeListener();
  const departed = setUp.registry.join(
    { sessionId: "main", sdp: "h264", params: {}, reachedHost: "198.51.100.1" },
    listener,
    { signal: departure.signal },
  );
  await settle();
  assert.equal(setUp.used, 1);
  departure.abort();
  assert.equal(setUp.used, 0);

  const next = setUp.offer("main");
  await settle();
  opening.resolve();
  await assert.rejects(departed);
  const { sessionId } = await next;
  assert.equal(sessionId, "main");
  assert.equal(setUp.used, 1);
  assert.equal(setUp.peers.made.length, 1);
  // The renderer's session is that which was being opened.
  assert.equal(setUp.renderer.sources.length, 1);
  assert.deepEqual([listener.states, listener.ends], [[], []]);
});

Deno.test("registry: a viewer that had no path is said to have had none, one that left at once is not", async () => {
  const log = new RecordingLog();
  await using setUp = new RegistrySetUp({ log });
  const warnings = () => log.events.filter(({ event }) => event === "viewer_not_connected");
  (await setUp.join("hasty")).handle.bye();
  (await setUp.connect("main")).handle.bye();
  assert.deepEqual(warnings(), []);
  const { handle } = await setUp.join("patient");
  await setUp.clock.advance(9_000);
  handle.bye();
  assert.deepEqual(warnings().map(({ fields }) => fields?.age_ms), [9_000]);
});
