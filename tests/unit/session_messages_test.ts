import assert from "assert";
import type { ViewerListener } from "../../src/session/session_api.ts";
import { settle } from "../support/parts/fake_clock.ts";
import { RegistrySetUp } from "../support/parts/registry_set_up.ts";

Deno.test("session: text of a viewer reaches the renderer, whichever way it came", async () => {
  await using setUp = new RegistrySetUp();
  const viewer = await setUp.connect("main");
  viewer.handle.message("grüß dich");
  viewer.peer.listener.message(new TextEncoder().encode("by data channel"));
  assert.deepEqual(setUp.renderer.latest.heard, ["grüß dich", "by data channel"]);
});

Deno.test("session: a viewer that floods is told how much was dropped, at once and then once a second", async () => {
  await using setUp = new RegistrySetUp();
  const viewer = await setUp.connect("main");
  const { handle, listener } = viewer;
  for (let count = 0; count < 300; count++) handle.message("x");
  assert.deepEqual(listener.notices.map(({ code, count }) => [code, count]), [[
    "messages_dropped",
    1,
  ]]);
  await setUp.pass(1_000, viewer);
  assert.deepEqual(listener.notices.map(({ count }) => count), [1, 59]);
  assert.match(listener.notices[0]?.message ?? "", /120 messages and 256 KiB a second/);
  assert.equal(setUp.renderer.latest.heard.length, 240);
  // Whoever stops hears nothing more.
  await setUp.pass(5_000, viewer);
  assert.equal(listener.notices.length, 2);
  handle.message("y");
  assert.equal(setUp.renderer.latest.heard.length, 241);
  assert.deepEqual(listener.ends, []);
});

Deno.test("session: a viewer is told that the renderer did not take its message, and why", async () => {
  await using setUp = new RegistrySetUp();
  const viewer = await setUp.connect("main");
  for (
    const [refusal, words] of [
      ["too_long", /64 KiB/],
      ["too_many", /more slowly than they arrive/],
      ["not_read", /more slowly than they arrive/],
      ["no_writer", /No renderer is connected/],
    ] as const
  ) {
    setUp.renderer.latest.refusal = refusal;
    viewer.peer.listener.message("x");
    const notice = viewer.listener.notices.pop();
    assert.deepEqual([notice?.code, notice?.count], ["messages_dropped", 1]);
    assert.match(notice?.message ?? "", words);
    const labels = { direction: "to_renderer", reason: refusal } as const;
    assert.equal(setUp.meter.value("messages_dropped_total", labels), 1);
    await setUp.pass(1_000, viewer);
  }
});

Deno.test("session: of two viewers the one that does not read is told what it missed, and the renderer too", async () => {
  await using setUp = new RegistrySetUp();
  const slow = await setUp.connect("main");
  const good = await setUp.connect("main");
  const { messages } = setUp.renderer.latest;
  const say = async (...texts: string[]) => {
    messages.push(...texts.map((text) => new TextEncoder().encode(text)));
    await setUp.pass(100, slow, good);
  };
  await say("first");
  slow.peer.takesMessages = false;
  await say("second", "third");
  await setUp.pass(1_000, slow, good);
  assert.deepEqual(good.peer.messages, ["first", "second", "third"]);
  // Not by signalling either: there it would overtake what waits in the data channel.
  assert.deepEqual([slow.peer.messages, slow.listener.messages], [["first"], []]);
  assert.deepEqual(slow.listener.notices.map(({ code, count }) => [code, count]), [
    ["messages_missed", 1],
    ["messages_missed", 1],
  ]);
  assert.deepEqual(good.listener.notices, []);
  assert.equal(setUp.renderer.latest.dropped, 2);
});

Deno.test("session: a viewer without a data channel hears the renderer by signalling, while that has room", async () => {
  await using setUp = new RegistrySetUp();
  const viewer = await setUp.connect("main");
  viewer.peer.takesMessages = false;
  const say = async (bytes: Uint8Array) => {
    setUp.renderer.latest.messages.push(bytes);
    await setUp.pass(1_000, viewer);
  };
  await say(new TextEncoder().encode("hello"));
  assert.deepEqual(viewer.listener.messages, ["hello"]);
  assert.deepEqual(viewer.listener.notices, []);
  await say(Uint8Array.of(255));
  viewer.listener.isFull = true;
  await say(new TextEncoder().encode("more"));
  assert.deepEqual(viewer.listener.messages, ["hello"]);
  assert.deepEqual(viewer.listener.notices.map(({ code }) => code), [
    "messages_missed",
    "messages_missed",
  ]);
});

Deno.test("session: a viewer whose signalling has no messages misses none, until it has a data channel", async () => {
  await using setUp = new RegistrySetUp();
  const listener: ViewerListener = { state() {}, notice() {}, ended() {} };
  const request = { sessionId: "main", sdp: "h264", params: {}, reachedHost: "198.51.100.1" };
  await setUp.registry.join(request, listener);
  const [peer] = setUp.peers.made;
  assert.ok(peer);
  peer.takesMessages = false;
  peer.listener.secured();
  await settle();
  const say = async (...messages: Uint8Array[]) => {
    setUp.renderer.latest.messages.push(...messages);
    await setUp.pass(1_000, { peer });
  };
  const dropped = () =>
    setUp.meter.value("messages_dropped_total", { direction: "to_viewer", reason: "no_way" });
  await say(new TextEncoder().encode("hello"), Uint8Array.of(255));
  assert.deepEqual([dropped(), setUp.renderer.latest.dropped], [0, 0]);
  peer.takesMessages = true;
  await say(new TextEncoder().encode("by the channel"));
  peer.takesMessages = false;
  await say(new TextEncoder().encode("too much"));
  assert.deepEqual(peer.messages, ["by the channel"]);
  assert.deepEqual([dropped(), setUp.renderer.latest.dropped], [1, 1]);
});
