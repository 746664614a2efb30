import assert from "assert";
import type { RenderResult } from "../../src/media/frame.ts";
import { RendererError } from "../../src/renderer/renderer_error.ts";
import { setUpBridgeSession as setUp } from "../support/renderers/bridge_session.ts";

function timeOf(result: RenderResult): number {
  assert(result.status === "frame", result.status);
  return result.frame.timestampUs;
}

Deno.test("BridgeSession.render: is idle at once without a writer, and before its first picture", async () => {
  const { session, port, clock } = setUp();
  assert.deepEqual(await session.render(0), { status: "idle" });
  session.attach(port);
  assert.deepEqual(await session.render(0), { status: "idle" });
  assert.equal(clock.pending, 0);
});

Deno.test("BridgeSession.idleReason: nothing feeds it, or has not begun to, or says that it has nothing", async () => {
  const { session, port, bring } = setUp();
  assert.equal(session.idleReason(), "no_writer");
  session.attach(port);
  assert.equal(session.idleReason(), "silent_writer");
  session.takeIdle();
  assert.equal(session.idleReason(), undefined);
  bring(1);
  await session.render(0);
  assert.equal(session.idleReason(), undefined);
  session.detach();
  assert.equal(session.idleReason(), "no_writer");
  await session.close();
});

Deno.test("BridgeSession.render: gives the newest picture once; its slot stays until the next call", async () => {
  const { session, port, bring, released, meter } = setUp();
  session.attach(port);
  bring(1);
  bring(2);
  assert.deepEqual(released, [1]);
  assert.equal(meter.value("frames_dropped_total", { reason: "superseded" }), 1);
  assert.equal((await session.render(0)).status, "frame");
  bring(3);
  assert.deepEqual(released, [1]);
  assert.equal((await session.render(0)).status, "frame");
  assert.deepEqual(released, [1, 2]);
  await session.close();
  assert.deepEqual(released, [1, 2, 3]);
});

Deno.test("BridgeSession.render: waits for the next picture, then says that the last one holds, then is idle", async () => {
  const { session, port, bring, clock } = setUp();
  session.attach(port);
  bring(1);
  await session.render(0);
  const waiting = session.render(0);
  await clock.advance(40);
  bring(2);
  assert.equal((await waiting).status, "frame");
  for (let times = 0; times < 5; times++) {
    const unchanged = session.render(0);
    await clock.advance(100);
    assert.deepEqual(await unchanged, { status: "unchanged" });
  }
  const silent = session.render(0);
  await clock.advance(100);
  assert.deepEqual(await silent, { status: "idle" });
  assert.deepEqual(await session.render(0), { status: "idle" });
  bring(3);
  assert.equal((await session.render(0)).status, "frame");
  assert.equal(clock.pending, 0);
});

Deno.test("BridgeSession.render: a wait ends when the writer is idle, ends, fails, leaves, or the session closes", async () => {
  const ends: Record<string, (parts: ReturnType<typeof setUp>) => unknown> = {
    idle: ({ session }) => session.takeIdle(),
    end: ({ session }) => session.takeEnd(),
    "No device": ({ session }) => session.takeFailure("render", "No device"),
    "idle ": ({ session }) => session.detach(),
    "idle  ": ({ session }) => session.close(),
  };
  for (const [expected, end] of Object.entries(ends)) {
    const parts = setUp();
    const { session, port, bring, clock } = parts;
    session.attach(port);
    bring(1);
    await session.render(0);
    const waiting = session.render(0).then(({ status }) => status, (error) => error.message);
    await clock.advance(10);
    await end(parts);
    assert.equal(await waiting, expected.trim());
    assert.equal(clock.pending, 0);
  }
});

Deno.test("BridgeSession.render: a failure is thrown once, and a picture goes on", async () => {
  const { session, port, bring } = setUp();
  session.attach(port);
  session.takeFailure("render", "First");
  session.takeFailure("render", "Second");
  await assert.rejects(session.render(0), new RendererError("render_failed", "Second"));
  bring(1);
  assert.equal((await session.render(0)).status, "frame");
});

Deno.test("BridgeSession.render: idle takes back a picture that nobody has seen", async () => {
  const { session, port, bring, released } = setUp();
  session.attach(port);
  bring(1);
  session.takeIdle();
  assert.deepEqual(await session.render(0), { status: "idle" });
  assert.deepEqual(released, [1]);
});

Deno.test("BridgeSession.render: times of the writer's clock are brought onto the session's timeline", async () => {
  const { session, port, bring, clock } = setUp({ clockOffsetUs: -7_000_000 });
  session.attach(port);
  await clock.advance(1000);
  // The session began 0.4 s ago, at 0.6 s of this process's clock, which is 7.6 s of the writer's.
  await session.render(400_000);
  await clock.advance(20);
  bring(1, 8_010_000);
  assert.equal(timeOf(await session.render(420_000)), 410_000);
  await clock.advance(20);
  bring(2);
  await clock.advance(20);
  assert.equal(timeOf(await session.render(460_000)), 440_000);
});

Deno.test("BridgeSession.render: times that go back or lie far away are not believed", async () => {
  const { session, port, bring, clock } = setUp();
  session.attach(port);
  await clock.advance(20_000);
  await session.render(20_000_000);
  bring(1, 19_900_000);
  assert.equal(timeOf(await session.render(20_000_000)), 19_900_000);
  bring(2, 19_000_000);
  assert.equal(timeOf(await session.render(20_000_000)), 19_900_000);
  for (const wrong of [1, -(2 ** 52), 2 ** 52, 31_000_000]) {
    bring(3, wrong);
    assert.equal(timeOf(await session.render(20_000_000)), 20_000_000);
  }
});

Deno.test("BridgeSession, paced by the server: asks for one picture at a time", async () => {
  const { session, port, bring, clock, types, sent } = setUp({ pace: "server" });
  session.attach(port);
  const first = session.render(5000);
  assert.deepEqual(sent.at(-1), { type: "want_frame", session: 1, timestampUs: 5000 });
  await clock.advance(100);
  assert.deepEqual(await first, { status: "idle" });
  const second = session.render(105_000);
  await clock.advance(50);
  bring(1, 5000);
  assert.equal(timeOf(await second), 5000);
  assert.deepEqual(types(), ["open", "want_frame"]);
  const third = session.render(200_000);
  bring(2);
  assert.equal(timeOf(await third), 200_000);
  const idle = session.render(300_000);
  session.takeIdle();
  assert.deepEqual(await idle, { status: "idle" });
  void session.render(400_000);
  assert.equal(types().filter((type) => type === "want_frame").length, 4);
  await session.close();
});

Deno.test("BridgeSession, paced by the server: half a second without an answer is idle, and not one without a question", async () => {
  const { session, port, bring, clock } = setUp({ pace: "server" });
  session.attach(port);
  const first = session.render(0);
  bring(1);
  await first;
  await clock.advance(5000);
  const late = session.render(5_000_000);
  await clock.advance(100);
  assert.deepEqual(await late, { status: "unchanged" });
  await clock.advance(401);
  assert.deepEqual(await session.render(5_600_000), { status: "idle" });
  bring(2);
  assert.equal((await session.render(5_600_000)).status, "frame");
  await session.close();
});

Deno.test("BridgeSession, paced by the server: sound is asked for, and not behind a picture that is late", async () => {
  const { session, port, bring, types, clock } = setUp({ pace: "server" });
  session.attach(port);
  const sound = session.audio(1000);
  const samples = new Uint8Array([1, 0, 2, 0]);
  const answer = { type: "audio", session: 1, sampleRate: 8000, channels: 1 } as const;
  session.takeSound({ ...answer, timestampUs: 900, samples });
  const chunk = {
    sampleRate: 8000,
    channels: 1,
    samples: new Int16Array([1, 2]),
    timestampUs: 900,
  };
  assert.deepEqual(await sound, chunk);
  const nothing = session.audio(2000);
  session.takeSound({ ...answer, timestampUs: 0, samples: new Uint8Array(0) });
  assert.equal(await nothing, undefined);
  const failing = session.audio(2000);
  session.takeFailure("audio", "No sound card");
  await assert.rejects(failing, /No sound card/);
  const rendering = session.render(3000);
  assert.equal(await session.audio(3000), undefined);
  bring(1);
  await rendering;
  const late = session.audio(4000);
  await clock.advance(100);
  assert.equal(await late, undefined);
  assert.equal(await session.audio(5000), undefined);
  assert.equal(types().filter((type) => type === "want_audio").length, 4);
});

Deno.test("BridgeSession: a session that a restarted library refuses fails until there is another one", async () => {
  const { session, port } = setUp({ pace: "server" });
  session.attach(port);
  const refusal = new RendererError("session_open_failed", "No place");
  session.takeOpened(refusal);
  assert.equal(await session.opened, refusal);
  await assert.rejects(session.render(0), refusal);
  await assert.rejects(session.render(0), refusal);
  session.detach();
  assert.deepEqual(await session.render(0), { status: "idle" });
});

Deno.test("BridgeSession.fail: the stream ends as failed, also for who waits for a picture", async () => {
  const { session, port } = setUp({ pace: "server" });
  session.attach(port);
  const rendering = session.render(0);
  session.fail();
  assert.deepEqual(await rendering, { status: "failed" });
  assert.deepEqual(await session.render(0), { status: "failed" });
});

Deno.test("BridgeSession.setBitrate: a writer that comes later is told too", () => {
  const { session, port, types, sent } = setUp({ pace: "server" });
  session.setBitrate(1_000_000.4);
  session.attach(port);
  assert.deepEqual(sent.at(-1), { type: "bitrate", session: 1, bitsPerSecond: 1_000_000 });
  session.requestKeyframe();
  assert.deepEqual(types(), ["open", "bitrate", "keyframe"]);
});
