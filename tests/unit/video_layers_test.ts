import assert from "assert";
import { NULL_LOGGER } from "../../src/base/log.ts";
import { VideoLayers } from "../../src/session/video_layers.ts";
import { FakeClock, settle } from "../support/fake_clock.ts";
import { FakeSink } from "../support/fake_peer.ts";
import { FakeEncoders, rawFrame } from "../support/fake_source.ts";
import { RecordingMeter } from "../support/recording_meter.ts";

/** Two viewers of one codec, one of them four times as fast as the other, and what their session does. */
class SetUp implements AsyncDisposable {
  readonly clock: FakeClock = new FakeClock();
  readonly meter: RecordingMeter = new RecordingMeter();
  readonly encoders: FakeEncoders = new FakeEncoders();
  readonly fast: FakeSink = Object.assign(new FakeSink(), { targetKbps: 2000 });
  readonly slow: FakeSink = Object.assign(new FakeSink(), { targetKbps: 500 });
  readonly rates: number[] = [];
  readonly failures: Error[] = [];
  readonly layers: VideoLayers;

  constructor() {
    this.layers = new VideoLayers({
      codec: "h264",
      encoders: this.encoders,
      settings: { width: 16, height: 16, fps: 10, bitrateKbps: 2000 },
      clock: this.clock,
      meter: this.meter,
      log: NULL_LOGGER,
      onRate: (kbps) => this.rates.push(kbps),
      onFailed: (error) => this.failures.push(error),
    });
    this.layers.add(this.fast);
    this.layers.add(this.slow);
  }

  /** Shows a picture each 100 ms for so many seconds. */
  async play(seconds: number): Promise<void> {
    for (let picture = 0; picture < 10 * seconds; picture++) {
      await this.clock.advance(100);
      await settle();
      this.layers.sort();
      const frame = rawFrame(this.clock.now() * 1000);
      await Promise.all(this.layers.branches.map((branch) => branch.take(frame)));
      await settle();
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.layers.close();
    assert.ok(this.encoders.opened.every(({ isClosed }) => isClosed));
  }
}

/** Whether every picture came once, and a first keyframe before all others. */
function assertWhole({ frames }: FakeSink): void {
  const times = frames.map(({ timestampUs }) => timestampUs);
  assert.deepEqual(times, [...new Set(times)].toSorted((one, other) => one - other));
  assert.ok(frames[0]?.keyframe);
}

Deno.test("VideoLayers: a slow viewer gets an encoding of its own, and the others their rate back", async () => {
  await using set = new SetUp();
  await set.play(2);
  assert.deepEqual([set.encoders.opened.length, set.rates], [1, [500]]);
  await set.play(4);
  assert.deepEqual([set.encoders.opened.length, set.rates], [2, [500, 2000]]);
  assert.equal(set.meter.value("layer_changes_total", { to: "low" }), 1);
  const before = { fast: set.fast.frames.length, slow: set.slow.frames.length };
  await set.play(3);
  assert.equal(set.fast.frames.length - before.fast, 30);
  assert.equal(set.slow.frames.length - before.slow, 30);
  assertWhole(set.fast);
  assertWhole(set.slow);
  // Only the slow one had to begin anew.
  assert.equal(set.fast.frames.filter(({ keyframe }) => keyframe).length, 1);
  assert.equal(set.slow.frames.filter(({ keyframe }) => keyframe).length, 2);
});

Deno.test("VideoLayers: no picture is missing while a viewer changes over", async () => {
  await using set = new SetUp();
  await set.play(10);
  assert.equal(set.slow.frames.length, set.fast.frames.length);
});

Deno.test("VideoLayers: a keyframe goes to the viewer that asks for it, and to none of the other layer", async () => {
  await using set = new SetUp();
  await set.play(6);
  const keyframes = ({ frames }: FakeSink) => frames.filter(({ keyframe }) => keyframe).length;
  const before = [keyframes(set.fast), keyframes(set.slow)];
  set.layers.requestKeyframe(set.slow, "pli");
  await set.play(1);
  assert.deepEqual([keyframes(set.fast), keyframes(set.slow)], [before[0], (before[1] ?? 0) + 1]);
});

Deno.test("VideoLayers: when the slow path has recovered, or the fast viewer left, one encoder does for all", async () => {
  for (const end of ["recovered", "left"]) {
    await using set = new SetUp();
    await set.play(6);
    assert.equal(set.layers.branches.length, 2);
    if (end === "recovered") set.slow.targetKbps = 1900;
    else set.layers.remove(set.fast);
    await set.play(6);
    assert.equal(set.layers.branches.length, 1, end);
    assert.deepEqual(set.encoders.opened.map(({ isClosed }) => isClosed), [false, true]);
    const before = set.slow.frames.length;
    await set.play(1);
    assert.equal(set.slow.frames.length - before, 10);
    assertWhole(set.slow);
  }
});

Deno.test("VideoLayers: a host without a second encoder serves all with one", async () => {
  await using set = new SetUp();
  await set.play(1);
  set.encoders.prepare = () => {
    throw new Error("no more encoders");
  };
  await set.play(6);
  assert.deepEqual(set.failures, []);
  assert.equal(set.layers.branches.length, 1);
  assert.equal(set.slow.frames.length, set.fast.frames.length);
  assert.equal(set.rates.at(-1), 500);
});

Deno.test("VideoLayers: a second encoder that breaks gives its viewers back", async () => {
  await using set = new SetUp();
  await set.play(6);
  set.encoders.latest.gate = () => Promise.reject(new Error("broken"));
  await set.play(1);
  assert.deepEqual([set.failures, set.layers.branches.length], [[], 1]);
  const before = set.slow.frames.length;
  await set.play(1);
  assert.equal(set.slow.frames.length - before, 10);
});

Deno.test("VideoLayers: a main encoder that breaks is the end", async () => {
  await using set = new SetUp();
  await set.play(1);
  set.encoders.latest.gate = () => Promise.reject(new Error("broken"));
  await set.play(1);
  assert.equal(set.failures.length, 1);
});

Deno.test("VideoLayers: what a renderer encodes by itself is one for all", async () => {
  await using set = new SetUp();
  await set.play(6);
  assert.equal(set.layers.branches.length, 2);
  const data = Uint8Array.of(0, 0, 0, 1, 0x65, 1);
  set.layers.pass({ kind: "h264", data, keyframe: true, timestampUs: 60_000_000 });
  assert.equal(set.layers.branches.length, 1);
  assert.equal(set.slow.frames.at(-1)?.timestampUs, 60_000_000);
  assert.equal(set.fast.frames.at(-1)?.timestampUs, 60_000_000);
});
