import assert from "assert";
import type { PublicAddresses } from "../../src/base/public_ports.ts";
import { settle } from "../support/parts/fake_clock.ts";
import { rawFrame } from "../support/parts/fake_source.ts";
import { clipOf } from "../support/media/idle_clip.ts";
import { type Joined, RegistrySetUp } from "../support/parts/registry_set_up.ts";
import { ViewerError } from "../../src/session/session_api.ts";

/** Timestamps, in milliseconds, of the pictures that a viewer got. */
function seen({ peer }: Joined): number[] {
  return peer.video.frames.map(({ timestampUs }) => Math.round(timestampUs / 1000));
}

Deno.test("session: viewers who come at the same time share one renderer session and one encoder", async () => {
  await using setUp = new RegistrySetUp();
  const params = { avatar_id: "anna" };
  await Promise.all([
    setUp.offer("main", { params }),
    setUp.offer("main", { params: { avatar_id: "ben" } }),
    setUp.offer("main"),
  ]);
  assert.equal(setUp.renderer.sources.length, 1);
  assert.deepEqual(setUp.renderer.latest.options, {
    sessionId: "main",
    width: 16,
    height: 16,
    fps: 10,
    params,
  });
  assert.equal(setUp.encoders.opened.length, 1);
  for (const peer of setUp.peers.made) peer.listener.secured();
  await setUp.clock.advance(200);
  const { encoded } = setUp.encoders.latest;
  for (const peer of setUp.peers.made) assert.equal(peer.video.frames.length, encoded.length);
});

Deno.test("session: viewers of two codecs share the renderer, and have an encoder each", async () => {
  await using setUp = new RegistrySetUp();
  const [one, two] = [await setUp.connect("main", "h264"), await setUp.connect("main", "vp8")];
  await setUp.clock.advance(350);
  assert.deepEqual(setUp.encoders.opened.map(({ codec }) => codec), ["h264", "vp8"]);
  assert.equal(setUp.renderer.sources.length, 1);
  assert.deepEqual(seen(one).slice(-3), [100, 200, 300]);
  assert.deepEqual(seen(two).slice(-3), [100, 200, 300]);
});

Deno.test("session: a viewer gets nothing before its handshake is done", async () => {
  await using setUp = new RegistrySetUp();
  const viewer = await setUp.join("main");
  await setUp.clock.advance(500);
  assert.deepEqual(seen(viewer), []);
  viewer.peer.listener.secured();
  await setUp.clock.advance(200);
  assert.deepEqual(seen(viewer), [600, 700]);
  assert.ok(viewer.peer.video.frames[0]?.keyframe);
});

Deno.test("session: it ends with its last viewer, renderer and encoder with it", async () => {
  await using setUp = new RegistrySetUp();
  const [one, two] = [await setUp.connect("main"), await setUp.connect("main")];
  one.handle.bye();
  await settle();
  assert.ok(!setUp.renderer.latest.isClosed);
  two.handle.bye();
  await settle();
  assert.ok(setUp.renderer.latest.isClosed);
  assert.ok(setUp.encoders.latest.isClosed);
  assert.deepEqual(setUp.registry.report, []);
  await setUp.clock.advance(500);
  assert.equal(setUp.meter.value("sessions"), 0);
});

Deno.test("session: one of the same name opens only after the former has closed", async () => {
  await using setUp = new RegistrySetUp();
  const { promise, resolve } = Promise.withResolvers<void>();
  setUp.renderer.prepare = (source) => source.closing = promise;
  const first = await setUp.connect("main");
  first.handle.bye();
  await settle();
  const second = setUp.offer("main");
  await setUp.clock.advance(5_000);
  assert.equal(setUp.renderer.sources.length, 1);
  resolve();
  assert.equal((await second).state, "connecting");
  assert.equal(setUp.renderer.sources.length, 2);
});

Deno.test("session: a renderer that holds on to the former session costs a place for ten seconds only", async () => {
  await using setUp = new RegistrySetUp({ ports: 1 });
  const { promise, resolve } = Promise.withResolvers<void>();
  setUp.renderer.prepare = (source) => source.closing = promise;
  (await setUp.connect("main")).handle.bye();
  const refused = assert.rejects(setUp.offer("main"), { code: "renderer_failed" });
  await setUp.clock.advance(9_000);
  assert.equal(setUp.used, 1);
  await setUp.clock.advance(2_000);
  await refused;
  assert.equal(setUp.used, 0);
  resolve();
  await settle();
  await setUp.connect("main");
});

Deno.test("session: a renderer that cannot open it gives the place back, and is asked anew the next time", async () => {
  await using setUp = new RegistrySetUp();
  setUp.renderer.gate = () => Promise.reject(new Error("no device"));
  await assert.rejects(setUp.offer("main"), (error) => {
    assert.ok(error instanceof ViewerError);
    assert.equal(error.code, "renderer_failed");
    assert.ok(!error.message.includes("no device"), "its own words are for the log");
    return true;
  });
  await settle();
  assert.equal(setUp.used, 0);
  assert.deepEqual(setUp.registry.report, []);
  assert.equal(setUp.meter.value("renderer_errors_total", { call: "open" }), 1);
  setUp.renderer.gate = () => Promise.resolve();
  await setUp.join("main");
});

Deno.test("session: a renderer that takes for ever to open it is not waited for for ever", async () => {
  await using setUp = new RegistrySetUp();
  const { promise, resolve } = Promise.withResolvers<void>();
  setUp.renderer.gate = () => promise;
  const refused = assert.rejects(setUp.offer("main"), { code: "renderer_failed" });
  await setUp.clock.advance(30_000);
  await refused;
  assert.equal(setUp.used, 0);
  resolve();
  await settle();
  assert.ok(setUp.renderer.latest.isClosed, "what opened too late is closed");
});

Deno.test("session: when the renderer says END, its viewers end, and the next one opens it anew", async () => {
  await using setUp = new RegistrySetUp();
  const viewer = await setUp.connect("main");
  setUp.renderer.latest.next = () => Promise.resolve({ status: "end" });
  await setUp.clock.advance(200);
  assert.deepEqual(viewer.listener.states, ["connected", "closed"]);
  assert.deepEqual(viewer.listener.ends, [undefined]);
  assert.ok(viewer.peer.isClosed);
  assert.equal(setUp.used, 0);
  assert.ok(setUp.renderer.latest.isClosed);
  await setUp.join("main");
  assert.equal(setUp.renderer.sources.length, 2);
});

Deno.test("session: nobody is let into one whose renderer said END while they waited", async () => {
  const address = Promise.withResolvers<PublicAddresses>();
  await using setUp = new RegistrySetUp({ publicAddresses: () => address.promise });
  setUp.renderer.prepare = (source) => source.next = () => Promise.resolve({ status: "end" });
  const refused = assert.rejects(setUp.offer("main"), { code: "renderer_failed" });
  await settle();
  address.resolve({ udp: { address: "203.0.113.7", port: 1 }, tcp: undefined });
  await refused;
  assert.equal(setUp.used, 0);
});

Deno.test("session: an encoder that breaks ends the viewers of its codec, not the others", async () => {
  await using setUp = new RegistrySetUp();
  const [one, two] = [await setUp.connect("main", "h264"), await setUp.connect("main", "vp8")];
  const [h264] = setUp.encoders.opened;
  assert.ok(h264);
  h264.gate = () => Promise.reject(new Error("out of memory"));
  await setUp.clock.advance(300);
  assert.equal(one.listener.ends[0]?.code, "internal");
  assert.ok(one.peer.isClosed && h264.isClosed);
  assert.deepEqual(two.listener.ends, []);
  assert.ok(seen(two).length > 0);
  const third = await setUp.connect("main", "h264");
  await setUp.clock.advance(400);
  assert.ok(seen(third).length > 0, "a new encoder is opened for the next one");
});

Deno.test("session: a keyframe that a viewer asks for is made for its codec", async () => {
  await using setUp = new RegistrySetUp();
  const viewer = await setUp.connect("main");
  await setUp.clock.advance(1_000);
  viewer.peer.listener.keyframeRequested("pli");
  viewer.peer.listener.keyframeRequested("fir");
  await setUp.clock.advance(100);
  assert.ok(setUp.encoders.latest.encoded.at(-1)?.keyframe);
  assert.equal(setUp.meter.value("keyframes_requested_total", { reason: "pli" }), 1);
  assert.equal(setUp.meter.value("keyframes_requested_total", { reason: "fir" }), 1);
});

Deno.test("session: a viewer whose further offer takes another codec goes on with that", async () => {
  await using setUp = new RegistrySetUp();
  const { handle, peer } = await setUp.connect("main", "h264");
  await setUp.clock.advance(200);
  const before = peer.video.frames.length;
  assert.ok(before > 0);
  assert.ok(handle.renegotiate("further vp8"));
  assert.equal(handle.answerSdp, "answer to further vp8");
  await setUp.clock.advance(500);
  assert.deepEqual(setUp.encoders.opened.map(({ codec }) => codec), ["h264", "vp8"]);
  assert.ok(peer.video.frames[before]?.keyframe);
  const times = peer.video.frames.map(({ timestampUs }) => timestampUs);
  assert.deepEqual(times, [...new Set(times)].sort((one, other) => one - other));
});

Deno.test("session: a limit that a further offer brings is the others' in no picture, not even in one that waits", async () => {
  await using setUp = new RegistrySetUp();
  const [one, two] = [await setUp.connect("main"), await setUp.connect("main")];
  await setUp.clock.advance(500);
  const [main] = setUp.encoders.opened;
  assert(main !== undefined);
  const { promise, resolve } = Promise.withResolvers<void>();
  main.gate = () => promise;
  await setUp.clock.advance(200);
  Object.assign(two.peer.video, { targetKbps: 30, limitKbps: 30 });
  assert.ok(two.handle.renegotiate("further"));
  main.gate = () => Promise.resolve();
  resolve();
  await setUp.clock.advance(500);
  assert.deepEqual(setUp.encoders.opened.map(({ rates }) => rates), [[], [30]]);
  const before = [one, two].map(({ peer }) => peer.video.frames.length);
  await setUp.clock.advance(500);
  const after = [one, two].map(({ peer }) => peer.video.frames.length);
  assert.deepEqual(after, before.map((count) => count + 5));
});

Deno.test("session: a viewer that takes no pictures at present costs no encoding", async () => {
  await using setUp = new RegistrySetUp();
  const { handle, peer } = await setUp.connect("main");
  await setUp.clock.advance(200);
  peer.video.isPaused = true;
  assert.ok(handle.renegotiate("further"));
  const [sent, encoded] = [peer.video.frames.length, setUp.encoders.latest.encoded.length];
  await setUp.clock.advance(1_000);
  assert.equal(peer.video.frames.length, sent);
  assert.ok(setUp.encoders.latest.encoded.length <= encoded + 1);
  peer.video.isPaused = false;
  peer.listener.keyframeRequested("resumed");
  await setUp.clock.advance(300);
  assert.ok(peer.video.frames[sent]?.keyframe);
});

Deno.test("session: only who has a viewer renegotiates it, and a bad offer is refused in its words", async () => {
  await using setUp = new RegistrySetUp();
  const { handle, peer } = await setUp.connect("main");
  assert.ok(!handle.renegotiate("h264"));
  assert.throws(() => handle.renegotiate("bad"), (error) => {
    assert.ok(error instanceof ViewerError);
    assert.deepEqual([error.code, error.message], ["bad_sdp", '"bad" is no offer']);
    return true;
  });
  handle.detach();
  assert.ok(!handle.renegotiate("further"));
  assert.deepEqual(peer.furtherOffers, []);
});

Deno.test("session: a renderer that fails for good ends its viewers as renderer_failed", async () => {
  await using setUp = new RegistrySetUp();
  const viewer = await setUp.connect("main");
  setUp.renderer.latest.next = () => Promise.resolve({ status: "failed" });
  await setUp.pass(200, viewer);
  assert.deepEqual(viewer.listener.ends.map((end) => end?.code), ["renderer_failed"]);
  assert.ok(setUp.renderer.latest.isClosed);
  assert.equal(setUp.used, 0);
});

Deno.test("session: going idle and back, each picture follows the one before by one interval, without a keyframe", async () => {
  const clip = clipOf("moving", { still: false, frameAt: rawFrame });
  await using setUp = new RegistrySetUp({ loadIdleClip: () => Promise.resolve(clip) });
  const viewer = await setUp.connect("main");
  const failing = () => Promise.reject(new Error("The model fell over"));
  for (
    const next of [
      () => Promise.resolve({ status: "idle" } as const),
      setUp.renderer.latest.next,
      failing,
      setUp.renderer.latest.next,
    ]
  ) {
    setUp.renderer.latest.next = next;
    await setUp.pass(1_000, viewer);
  }
  const { frames } = viewer.peer.video;
  const steps = frames.slice(1).map(({ timestampUs }, at) =>
    timestampUs - (frames[at]?.timestampUs ?? 0)
  );
  assert.ok(frames.length >= 39, `${frames.length} pictures in four seconds`);
  assert.deepEqual(steps, steps.map(() => 100_000));
  assert.deepEqual(frames.slice(1).filter(({ keyframe }) => keyframe), []);
});

/** The idle picture that is on in the tests below. */
const STILL = rawFrame(0, 200);

/** A session whose renderer shows black, and that shows {@link STILL} when it is idle. */
function withStill(): RegistrySetUp {
  const clip = clipOf("still", { still: true, frameAt: () => STILL });
  return new RegistrySetUp({ loadIdleClip: () => Promise.resolve(clip) });
}

const idle = () => Promise.resolve({ status: "idle" } as const);

Deno.test("session: a still idle picture is sent when the path that was full takes pictures again", async () => {
  await using setUp = withStill();
  const viewer = await setUp.connect("main");
  await setUp.pass(500, viewer);
  viewer.peer.video.isFull = true;
  setUp.renderer.latest.next = idle;
  await setUp.pass(300, viewer);
  viewer.peer.video.isFull = false;
  await setUp.pass(200, viewer);
  assert.equal(setUp.encoders.latest.levels.at(-1), 200);
  const count = setUp.encoders.latest.levels.length;
  await setUp.pass(3_000, viewer);
  // Sent once, and from then on once a second.
  assert.equal(setUp.encoders.latest.levels.length - count, 3);
});

Deno.test("session: a still idle picture that the rate control left out is encoded again at once", async () => {
  await using setUp = withStill();
  const viewer = await setUp.connect("main");
  await setUp.pass(500, viewer);
  setUp.encoders.latest.skips = true;
  setUp.renderer.latest.next = idle;
  await setUp.pass(300, viewer);
  setUp.encoders.latest.skips = false;
  const before = viewer.peer.video.frames.length;
  await setUp.pass(200, viewer);
  assert.ok(viewer.peer.video.frames.length > before);
});

Deno.test("session: a viewer that comes back during a pause sees the idle picture, not what the encoder had before", async () => {
  await using setUp = withStill();
  const first = await setUp.connect("main");
  const other = await setUp.connect("main", "vp8");
  await setUp.pass(500, first, other);
  const [h264] = setUp.encoders.opened;
  first.handle.bye();
  setUp.renderer.latest.next = idle;
  await setUp.pass(500, other);
  const again = await setUp.connect("main");
  const before = h264?.levels.length ?? 0;
  await setUp.pass(1_000, again, other);
  const levels = h264?.levels.slice(before) ?? [];
  assert.ok(levels.length > 0);
  assert.deepEqual(levels.filter((level) => level !== 200), []);
});
