import assert from "assert";
import { NULL_LOGGER } from "../../src/base/log.ts";
import { EncodedLoops } from "../../src/media/idle/encoded_loops.ts";
import { PAUSE_US_MAX } from "../../src/session/loop_player.ts";
import { FakeClock } from "../support/parts/fake_clock.ts";
import { FakeEncoders, rawFrame } from "../support/parts/fake_source.ts";
import { clipOf } from "../support/media/idle_clip.ts";
import { RecordingMeter } from "../support/parts/recording_meter.ts";
import { type Joined, RegistrySetUp } from "../support/parts/registry_set_up.ts";

const FRAME_US = 100_000;
const PAUSE_MS = PAUSE_US_MAX / 1000;
/** Sessions close their own encoder after so long, and two more seconds. */
const RESTS_MS = PAUSE_MS + 12_000;
/** Level of the idle pictures; the renderer's are black. */
const IDLE_LEVEL = 200;

const idle = () => Promise.resolve({ status: "idle" } as const);
const unchanged = () => Promise.resolve({ status: "unchanged" } as const);

/** Sessions that share the encoded loops of one idle clip. */
class SetUp extends RegistrySetUp {
  readonly loopEncoders: FakeEncoders;
  readonly loopMeter: RecordingMeter;

  constructor() {
    const clock = new FakeClock();
    const loopEncoders = new FakeEncoders();
    const loopMeter = new RecordingMeter();
    const clip = clipOf("default", {
      still: false,
      frameAt: (elapsedUs) => rawFrame(elapsedUs, IDLE_LEVEL),
      durationUs: 3e6,
    });
    const options = { encoders: loopEncoders, clock, meter: loopMeter, log: NULL_LOGGER };
    super({
      ports: 4 * navigator.hardwareConcurrency,
      clock,
      loadIdleClip: () => Promise.resolve(clip),
      idleLoops: new EncodedLoops(options),
    });
    this.clock = clock;
    this.loopEncoders = loopEncoders;
    this.loopMeter = loopMeter;
  }

  override readonly clock: FakeClock;

  /** Has every renderer do this from now on. */
  all(next: () => Promise<{ status: "idle" } | { status: "unchanged" }>): void {
    for (const source of this.renderer.sources) source.next = next;
  }

  /** A session that is idle until its own encoder rests. */
  async resting(): Promise<Joined> {
    const viewer = await this.connect("main");
    await this.pass(1_000, viewer);
    this.all(idle);
    await this.pass(RESTS_MS, viewer);
    return viewer;
  }
}

/** Keyframes among the frames from an index on, as distances from it. */
function keyframesOf({ peer: { video } }: Joined, from = 0): number[] {
  return video.frames.slice(from).flatMap(({ keyframe }, index) => keyframe ? [index] : []);
}

function assertSteady({ peer: { video: { frames } } }: Joined): void {
  const steps = frames.slice(1).map(({ timestampUs }, at) =>
    timestampUs - (frames[at]?.timestampUs ?? 0)
  );
  assert.deepEqual(steps, steps.map(() => FRAME_US));
}

Deno.test("session: idle sessions share one encoding, and close their own encoders after a while", async () => {
  await using set = new SetUp();
  const viewers = [await set.connect("one"), await set.connect("two"), await set.connect("three")];
  await set.pass(1_000, ...viewers);
  set.all(idle);
  await set.pass(RESTS_MS, ...viewers);
  assert.equal(set.loopEncoders.opened.length, 1);
  assert.equal(set.loopMeter.value("idle_loops_encoded_total", { codec: "h264" }), 1);
  assert.deepEqual(set.encoders.opened.map(({ isClosed }) => isClosed), [true, true, true]);
  const encoded = set.encoders.opened.map((each) => each.encoded.length);
  for (const viewer of viewers) viewer.peer.video.frames.length = 0;
  await set.pass(6_000, ...viewers);
  assert.deepEqual(set.encoders.opened.map((each) => each.encoded.length), encoded);
  for (const viewer of viewers) {
    assertSteady(viewer);
    assert.ok(viewer.peer.video.frames.length >= 59);
    // One each second.
    assert.equal(keyframesOf(viewer).length, 6);
  }
});

Deno.test("session: each picture follows the one before by one interval, into the shared loop and back, with a keyframe each way", async () => {
  await using set = new SetUp();
  const viewer = await set.connect("main");
  await set.pass(1_000, viewer);
  const frames = set.renderer.latest.next;
  set.all(idle);
  await set.pass(PAUSE_MS - 100, viewer);
  assert.deepEqual(keyframesOf(viewer), [0], "a pause costs none");
  const before = viewer.peer.video.frames.length;
  await set.pass(500, viewer);
  assert.equal(keyframesOf(viewer, before).length, 1);
  const behind = viewer.peer.video.frames.length;
  set.renderer.latest.next = frames;
  await set.pass(2_000, viewer);
  assert.equal(keyframesOf(viewer, behind).length, 1);
  assert.ok((keyframesOf(viewer, behind)[0] ?? 9) <= 1, "the first of the renderer's");
  assertSteady(viewer);
});

Deno.test("session: a renderer that comes back while the encoder rests is seen with its first or second picture", async () => {
  await using set = new SetUp();
  const viewer = await set.resting();
  const count = viewer.peer.video.frames.length;
  set.renderer.latest.next = (timestampUs) =>
    Promise.resolve({ status: "frame", frame: rawFrame(timestampUs) });
  await set.pass(500, viewer);
  assert.equal(set.encoders.opened.length, 2);
  const [, again] = set.encoders.opened;
  assert.ok(again?.encoded[0]?.keyframe);
  assert.deepEqual(again?.levels.filter((level) => level !== 0), []);
  assert.ok(viewer.peer.video.frames.length - count >= 4);
  assert.ok((keyframesOf(viewer, count)[0] ?? 9) <= 1);
});

Deno.test("session: a message opens the encoder ahead", async () => {
  await using set = new SetUp();
  const viewer = await set.resting();
  assert.equal(set.encoders.opened.length, 1);
  viewer.peer.listener.message("good morning");
  await set.pass(500, viewer);
  assert.equal(set.encoders.opened.length, 2);
  await set.pass(5_000, viewer);
  assert.ok(!set.encoders.latest.isClosed, "for a while");
  await set.pass(7_000, viewer);
  assert.ok(set.encoders.latest.isClosed);
});

Deno.test("session: an encoder that cannot be opened again ends the session's viewers", async () => {
  await using set = new SetUp();
  const viewer = await set.resting();
  set.encoders.prepare = () => {
    throw new Error("no more encoders");
  };
  set.renderer.latest.next = (timestampUs) =>
    Promise.resolve({ status: "frame", frame: rawFrame(timestampUs) });
  await set.pass(500, viewer);
  assert.deepEqual(viewer.listener.ends.map((end) => end?.code), ["internal"]);
});

Deno.test("session: a picture that holds after idle ones is the idle one, and is sent again each second", async () => {
  await using set = new SetUp();
  const viewer = await set.resting();
  set.all(unchanged);
  const count = viewer.peer.video.frames.length;
  await set.pass(3_500, viewer);
  const { encoded, levels } = set.encoders.latest;
  assert.deepEqual(levels, [IDLE_LEVEL, IDLE_LEVEL, IDLE_LEVEL]);
  assert.deepEqual(encoded.map(({ keyframe }) => keyframe), [true, false, false]);
  assert.deepEqual(keyframesOf(viewer, count), [0]);
});

Deno.test("session: who joins others during the loop has a keyframe within a second, and nobody is encoded for", async () => {
  await using set = new SetUp();
  const first = await set.resting();
  const opened = set.encoders.opened.length;
  const late = await set.connect("main");
  await set.pass(1_100, first, late);
  assert.ok(late.peer.video.frames[0]?.keyframe);
  assert.equal(set.encoders.opened.length, opened);
  assertSteady(late);
});

Deno.test("session: the first viewer of an idle session begins with the loop at once", async () => {
  await using set = new SetUp();
  const other = await set.resting();
  set.renderer.prepare = (source) => source.next = idle;
  const viewer = await set.connect("another");
  await set.pass(300, viewer, other);
  assert.ok(viewer.peer.video.frames[0]?.keyframe);
  assert.deepEqual(set.encoders.latest.encoded, [], "its own encoder has nothing to do");
  assert.equal(set.loopEncoders.opened.length, 1);
});

Deno.test("session: what is encoded for the first time is shown live meanwhile", async () => {
  await using set = new SetUp();
  const gate = Promise.withResolvers<void>();
  set.loopEncoders.prepare = (encoder) => encoder.gate = () => gate.promise;
  const viewer = await set.connect("main");
  set.all(idle);
  await set.pass(6_000, viewer);
  assertSteady(viewer);
  assert.ok(viewer.peer.video.frames.length >= 59);
  const encoded = set.encoders.latest.encoded.length;
  gate.resolve();
  await set.pass(2_000, viewer);
  assertSteady(viewer);
  assert.ok(set.encoders.latest.encoded.length - encoded <= 12);
});

Deno.test("session: while a loop is encoded, sessions that wait for it take turns, and none stands still", async () => {
  await using set = new SetUp();
  const gate = Promise.withResolvers<void>();
  set.loopEncoders.prepare = (encoder) => encoder.gate = () => gate.promise;
  // Encoders that are as slow as a frame is long.
  set.encoders.prepare = (encoder) => {
    encoder.gate = () => new Promise((resolve) => set.clock.after(90, resolve));
  };
  const ids = Array.from({ length: 4 * navigator.hardwareConcurrency }, (_, index) => `${index}`);
  const viewers: Joined[] = [];
  for (const id of ids) viewers.push(await set.connect(id));
  set.all(idle);
  await set.pass(1_000, ...viewers);
  for (const viewer of viewers) viewer.peer.video.frames.length = 0;
  await set.pass(3_000, ...viewers);
  const counts = viewers.map(({ peer: { video } }) => video.frames.length);
  assert.ok(Math.min(...counts) >= 9, `${counts}`);
  const sum = counts.reduce((total, count) => total + count, 0);
  assert.ok(sum < 0.6 * 30 * ids.length, `${sum} of ${30 * ids.length}`);
  gate.resolve();
  await set.pass(3_000, ...viewers);
});

Deno.test("session: what the encoder was still at when the loop took over is not sent behind it", async () => {
  await using set = new SetUp();
  const viewer = await set.connect("main");
  await set.pass(1_000, viewer);
  set.all(idle);
  await set.pass(PAUSE_MS - 500, viewer);
  const gate = Promise.withResolvers<void>();
  set.encoders.latest.gate = () => gate.promise;
  await set.pass(2_000, viewer);
  const { frames } = viewer.peer.video;
  const begun = set.encoders.latest.encoded.at(-1)?.timestampUs ?? 0;
  assert.ok(begun < (frames.at(-1)?.timestampUs ?? 0), "the loop is on");
  gate.resolve();
  await set.pass(1_000, viewer);
  assert.ok(!frames.some(({ timestampUs }) => timestampUs === begun));
});
