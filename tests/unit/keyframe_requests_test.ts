import assert from "assert";
import { TokenBucket } from "../../src/base/token_bucket.ts";
import { NULL_LOGGER } from "../../src/base/log.ts";
import { KEYFRAME_ALLOWANCE } from "../../src/session/audience.ts";
import type { KeyframeRequestReason } from "../../src/session/metrics.ts";
import { VideoLayers } from "../../src/session/video_layers.ts";
import { FakeClock, settle } from "../support/parts/fake_clock.ts";
import { FakeSink } from "../support/parts/fake_peer.ts";
import { FakeEncoders, rawFrame } from "../support/parts/fake_source.ts";
import { RecordingMeter } from "../support/parts/recording_meter.ts";

/** Viewers of one encoder, who see a picture each 50 ms. */
class SetUp implements AsyncDisposable {
  readonly clock: FakeClock = new FakeClock();
  readonly meter: RecordingMeter = new RecordingMeter();
  readonly one: FakeSink = new FakeSink();
  readonly other: FakeSink = new FakeSink();
  readonly layers: VideoLayers;

  constructor() {
    this.layers = new VideoLayers({
      codec: "h264",
      encoders: new FakeEncoders(),
      settings: { width: 16, height: 16, fps: 20, bitrateKbps: 100 },
      clock: this.clock,
      meter: this.meter,
      log: NULL_LOGGER,
      onRate() {},
      onKeyframeDue() {},
      onFailed: (error) => assert.fail(error),
    });
  }

  /** Plays for so many seconds; before each picture something may happen. @returns Keyframes that were sent. */
  async play(seconds: number, before: () => void = () => {}): Promise<number> {
    const count = () => this.one.frames.filter(({ keyframe }) => keyframe).length;
    const former = count();
    for (let picture = 0; picture < 20 * seconds; picture++) {
      await this.clock.advance(50);
      before();
      await this.layers.take(rawFrame(this.clock.now() * 1000));
      await settle();
    }
    return count() - former;
  }

  suppressed(reason: KeyframeRequestReason | "left_out"): number {
    return this.meter.value("keyframes_suppressed_total", { reason });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.layers.close();
  }
}

/** Two viewers who have had their first keyframe. */
async function setUpTwo(): Promise<SetUp> {
  const set = new SetUp();
  set.layers.add(set.one);
  set.layers.add(set.other);
  await set.play(2);
  return set;
}

Deno.test("KEYFRAME_ALLOWANCE: three at once, then one each 5 s, and never more than three", () => {
  const allowance = new TokenBucket(KEYFRAME_ALLOWANCE);
  const taken = (nowMs: number, times: number) =>
    Array.from({ length: times }, () => allowance.take(nowMs)).filter((each) => each).length;
  assert.equal(taken(0, 10), 3);
  assert.equal(taken(4_999, 10), 0);
  assert.equal(taken(5_000, 10), 1);
  assert.equal(taken(14_000, 10), 1);
  assert.equal(taken(15_000, 10), 1);
  assert.equal(taken(1e9, 10), 3);
});

for (const reason of ["pli", "fir", "nack", "moved"] as const) {
  Deno.test(`keyframes: a flood of one viewer costs its neighbour three, and one each 5 s (${reason})`, async () => {
    await using set = await setUpTwo();
    const keyframes = await set.play(30, () => set.layers.requestKeyframe(set.other, reason));
    assert.ok(keyframes >= 7 && keyframes <= 9, `${keyframes} in 30 s`);
    assert.ok(set.suppressed(reason) > 400);
    assert.equal(set.one.frames.length, 20 * 32, "every picture came");
  });
}

Deno.test("keyframes: a viewer's flood takes nothing from the requests of another", async () => {
  await using set = await setUpTwo();
  await set.play(10, () => set.layers.requestKeyframe(set.other, "pli"));
  const isAsked = set.meter.value("keyframes_requested_total", { reason: "fir" });
  set.layers.requestKeyframe(set.one, "fir");
  assert.equal(await set.play(1), 1);
  assert.equal(set.meter.value("keyframes_requested_total", { reason: "fir" }), isAsked + 1);
});

Deno.test("keyframes: what was put off comes by itself, unless another came first", async () => {
  await using set = await setUpTwo();
  const flood = () => set.layers.requestKeyframe(set.other, "pli");
  await set.play(2, flood);
  assert.equal(await set.play(6), 1, "asked once, answered late");
  assert.equal(await set.play(10), 0);
  await set.play(2, flood);
  set.layers.requestKeyframe(set.one, "pli");
  await set.play(1);
  assert.equal(await set.play(10), 0);
});

Deno.test("keyframes: a viewer that is alone has as many as before", async () => {
  await using set = new SetUp();
  set.layers.add(set.one);
  await set.play(2);
  const keyframes = await set.play(6, () => set.layers.requestKeyframe(set.one, "pli"));
  assert.ok(keyframes >= 17 && keyframes <= 20, `${keyframes} in 6 s`);
  assert.equal(set.suppressed("pli"), 0);
});

Deno.test("keyframes: a viewer whose path is full and free in turns does not take the others' rate", async () => {
  await using set = await setUpTwo();
  let pictures = 0;
  const keyframes = await set.play(30, () => set.other.isFull = pictures++ % 16 < 14);
  assert.ok(keyframes >= 3 && keyframes <= 9, `${keyframes} in 30 s`);
  assert.ok(set.suppressed("left_out") > 0);
  set.other.isFull = false;
  const before = set.other.frames.length;
  await set.play(10);
  assert.ok(set.other.frames.length - before > 90, "it goes on in the end");
});
