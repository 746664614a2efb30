import assert from "assert";
import { NULL_LOGGER } from "../../src/base/log.ts";
import { EncodedLoops } from "../../src/media/idle/encoded_loops.ts";
import { REST_MS } from "../../src/session/branch_encoder.ts";
import { KEYFRAME_INTERVAL_MS_MIN } from "../../src/session/video_branch.ts";
import { clipOf } from "../support/media/idle_clip.ts";
import { type BranchSetUp, framesOf, openBranch, passed } from "../support/parts/branch_set_up.ts";
import { FakeClock, settle } from "../support/parts/fake_clock.ts";
import { FakeSink } from "../support/parts/fake_peer.ts";
import { FakeEncoders, rawFrame } from "../support/parts/fake_source.ts";
import { RecordingMeter } from "../support/parts/recording_meter.ts";

const FRAME_MS = 50;
const CLIP = clipOf("clip", {
  still: false,
  frameAt: (elapsedUs) => rawFrame(elapsedUs),
  durationUs: 3e6,
});

/** A branch whose renderer encodes, with one viewer. */
class Stream implements AsyncDisposable {
  readonly sink: FakeSink = new FakeSink();
  readonly setUp: BranchSetUp;
  #idleSinceMs = 0;

  private constructor(setUp: BranchSetUp) {
    this.setUp = setUp;
    setUp.branch.add(this.sink);
  }

  static async open(options: Parameters<typeof openBranch>[1] = {}): Promise<Stream> {
    return new Stream(await openBranch(new FakeEncoders(), options));
  }

  /** The renderer supplies so many access units, of which the first may be a keyframe. */
  async play(count: number, { keyframe = false }: { keyframe?: boolean } = {}): Promise<void> {
    const { branch, clock } = this.setUp;
    for (let index = 0; index < count; index++) {
      branch.pass(passed(clock.now(), { keyframe: keyframe && index === 0 }));
      await clock.advance(FRAME_MS);
    }
    this.#idleSinceMs = clock.now();
  }

  /** The renderer is idle for so many frames. */
  async idle(count: number): Promise<void> {
    const { branch, clock } = this.setUp;
    for (let index = 0; index < count; index++) {
      const elapsedUs = 1000 * (clock.now() - this.#idleSinceMs);
      const picture = CLIP.frameAt(elapsedUs);
      await branch.keep({ clip: CLIP, picture, elapsedUs, timestampUs: clock.now() });
      await settle();
      await clock.advance(FRAME_MS);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.setUp.branch.close();
  }
}

/** Keyframes among the frames from an index on, as distances from it. */
function keyframesFrom({ frames }: FakeSink, from: number): number[] {
  return frames.slice(from).flatMap(({ keyframe }, index) => keyframe ? [index] : []);
}

Deno.test("renderer that encodes: it is asked for a keyframe when a viewer joins, not a picture later", async () => {
  await using stream = await Stream.open();
  const { setUp: { asked, branch, clock } } = stream;
  await stream.play(10, { keyframe: true });
  const requests = asked.length;
  const second = new FakeSink();
  branch.add(second);
  assert.deepEqual(asked.slice(requests), [clock.now()]);
  branch.requestKeyframe("pli");
  assert.equal(asked.length, requests + 1, "and once for all who want one");
  await stream.play(1, { keyframe: true });
  assert.deepEqual(second.frames.map(({ keyframe }) => keyframe), [true]);
});

Deno.test("renderer that encodes: each pause begins with a keyframe of ours, and ends with one of the renderer's", async () => {
  await using stream = await Stream.open();
  const { sink, setUp: { asked } } = stream;
  await stream.play(10, { keyframe: true });
  for (let pause = 1; pause <= 3; pause++) {
    const [before, requests] = [sink.frames.length, asked.length];
    await stream.idle(10);
    assert.deepEqual([sink.frames.length - before, keyframesFrom(sink, before)], [10, [0]]);
    assert.equal(asked.length, requests + 1, "asked ahead");
    const idled = sink.frames.length;
    await stream.play(3);
    assert.equal(sink.frames.length, idled, "nothing that refers to frames before the pause");
    await stream.play(10, { keyframe: true });
    assert.equal(sink.frames.length, idled + 10);
    assert.ok(sink.frames[idled]?.keyframe);
  }
  assert.equal(stream.setUp.meter.value("frames_dropped_total", { reason: "no_keyframe" }), 9);
});

Deno.test("renderer that encodes: one that comes back without a keyframe is asked again, not with each frame", async () => {
  await using stream = await Stream.open();
  const { setUp: { asked } } = stream;
  await stream.play(10, { keyframe: true });
  await stream.idle(1);
  await stream.play(20);
  assert.equal(asked.length, 4);
  const gaps = asked.slice(1).map((atMs, index) => atMs - (asked[index] ?? 0));
  assert.deepEqual(gaps, gaps.map(() => KEYFRAME_INTERVAL_MS_MIN));
});

Deno.test("renderer that encodes: one that pauses for single frames causes a keyframe each way in 300 ms, not with each", async () => {
  await using stream = await Stream.open();
  const { sink, setUp: { asked } } = stream;
  await stream.play(1, { keyframe: true });
  for (let round = 0, answered = 0; round < 20; round++) {
    await stream.idle(1);
    await stream.play(1, { keyframe: asked.length > answered });
    answered = asked.length;
  }
  const keyframes = sink.frames.filter(({ keyframe }) => keyframe).map(({ timestampUs }) =>
    timestampUs
  );
  // One of ours, and one of the renderer's.
  assert.ok(keyframes.length <= 2 * 2_000 / KEYFRAME_INTERVAL_MS_MIN, keyframes.join());
  assert.ok(sink.frames.length >= 20);
});

Deno.test("renderer that encodes: an idle picture that is still being encoded when it comes back is not sent", async () => {
  await using stream = await Stream.open();
  const { sink, setUp: { encoders } } = stream;
  await stream.play(10, { keyframe: true });
  const gate = Promise.withResolvers<void>();
  encoders.latest.gate = () => gate.promise;
  await stream.idle(2);
  const before = framesOf(sink).length;
  await stream.play(2);
  gate.resolve();
  await settle();
  await stream.play(2);
  assert.deepEqual([sink.frames.length - before, keyframesFrom(sink, before)], [4, []]);
});

Deno.test("renderer that encodes: a viewer that joins while its last frame stays waits for the next, and sees no idle picture", async () => {
  await using stream = await Stream.open();
  const { sink, setUp: { branch, clock, asked, encoders } } = stream;
  await stream.play(1, { keyframe: true });
  await stream.idle(10);
  await stream.play(10, { keyframe: true });
  const [before, encoded] = [sink.frames.length, encoders.latest.encoded.length];
  const requests = asked.length;
  branch.add(new FakeSink());
  for (let ms = 0; ms < 2_000; ms += 100) {
    branch.refresh(clock.now());
    await clock.advance(100);
  }
  assert.deepEqual([sink.frames.length, encoders.latest.encoded.length], [before, encoded]);
  assert.ok(asked.length > requests);
});

Deno.test("renderer that encodes: the encoder that only idle pictures need is closed, and opened again for them", async () => {
  await using stream = await Stream.open();
  const { sink, setUp: { branch, encoders } } = stream;
  await stream.play(REST_MS / FRAME_MS + 2, { keyframe: true });
  assert.ok(encoders.latest.isClosed);
  branch.stir();
  await settle();
  assert.equal(encoders.opened.length, 1, "a message brings frames of the renderer, not of ours");
  const before = sink.frames.length;
  await stream.idle(2);
  assert.equal(encoders.opened.length, 2);
  assert.deepEqual([sink.frames.length - before, keyframesFrom(sink, before)], [2, [0]]);
});

Deno.test("renderer that encodes: a shared loop begins at once, without an encoder of the session's own", async () => {
  const clock = new FakeClock();
  const idleLoops = new EncodedLoops({
    encoders: new FakeEncoders(),
    clock,
    meter: new RecordingMeter(),
    log: NULL_LOGGER,
  });
  await using stream = await Stream.open({ clock, idleLoops });
  const { sink, setUp: { encoders } } = stream;
  await stream.play(10, { keyframe: true });
  await stream.idle(60);
  await stream.play(REST_MS / FRAME_MS, { keyframe: true });
  const [before, encoded] = [sink.frames.length, encoders.latest.encoded.length];
  await stream.idle(15);
  assert.ok(sink.frames[before]?.keyframe);
  assert.ok(sink.frames.length >= before + 15);
  assert.deepEqual([encoders.opened.length, encoders.latest.encoded.length], [1, encoded]);
  await idleLoops.close();
});

Deno.test("renderer that encodes: a viewer that was sent nothing for a while gets a keyframe first", async () => {
  await using stream = await Stream.open();
  await stream.play(3, { keyframe: true });
  stream.sink.isPaused = true;
  await stream.play(3);
  stream.sink.isPaused = false;
  const { frames } = stream.sink;
  const before = frames.length;
  await stream.play(3);
  assert.equal(frames.length, before, "they refer to what it did not get");
  await stream.play(2, { keyframe: true });
  assert.deepEqual(frames.slice(before).map(({ keyframe }) => keyframe), [true, false]);
});
