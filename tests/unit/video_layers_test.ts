import assert from "assert";
import { NULL_LOGGER } from "../../src/base/log.ts";
import { VideoLayers } from "../../src/session/video_layers.ts";
import { FakeClock, settle } from "../support/parts/fake_clock.ts";
import { FakeSink } from "../support/parts/fake_peer.ts";
import { FakeEncoders, rawFrame } from "../support/parts/fake_source.ts";
import { RecordingMeter } from "../support/parts/recording_meter.ts";

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
      onKeyframeDue() {},
      onFailed: (error) => this.failures.push(error),
    });
    this.layers.add(this.fast);
    this.layers.add(this.slow);
  }

  /** A viewer that limits itself, and whose path would take more. */
  limited(kbps = 300): FakeSink {
    return Object.assign(new FakeSink(), { targetKbps: kbps, limitKbps: kbps });
  }

  /** What the encoders were told, in kbit/s. */
  get encoderRates(): number[][] {
    return this.encoders.opened.map(({ rates }) => rates);
  }

  /** Shows a picture each 100 ms for so many seconds. */
  async play(seconds: number): Promise<void> {
    for (let picture = 0; picture < 10 * seconds; picture++) {
      await this.clock.advance(100);
      await settle();
      await this.layers.take(rawFrame(this.clock.now() * 1000));
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
  await set.layers.take({ kind: "h264", data, keyframe: true, timestampUs: 60_000_000 });
  assert.equal(set.layers.branches.length, 1);
  assert.equal(set.slow.frames.at(-1)?.timestampUs, 60_000_000);
  assert.equal(set.fast.frames.at(-1)?.timestampUs, 60_000_000);
});

Deno.test("VideoLayers: who limits itself begins with an encoding of its own, and costs the others no picture's rate", async () => {
  await using set = new SetUp();
  set.layers.remove(set.slow);
  await set.play(1);
  const limited = set.limited();
  set.layers.add(limited);
  await set.play(2);
  assert.deepEqual(set.encoderRates, [[], [300]]);
  assert.deepEqual([set.fast.frames.length, limited.frames.length], [30, 20]);
  assertWhole(limited);
  // Whose keyframe the others do not pay for either.
  assert.equal(set.fast.frames.filter(({ keyframe }) => keyframe).length, 1);
});

Deno.test("VideoLayers: who joins a viewer that limits itself has its own rate from the first picture on", async () => {
  await using set = new SetUp();
  for (const sink of [set.fast, set.slow]) set.layers.remove(sink);
  const limited = set.limited();
  set.layers.add(limited);
  await set.play(2);
  assert.deepEqual([set.encoderRates, limited.frames.length], [[[300]], 20]);
  set.layers.add(set.fast);
  await set.play(2);
  assert.deepEqual(set.encoderRates, [[300, 2000], [300]]);
  assert.deepEqual([set.fast.frames.length, limited.frames.length], [20, 40]);
  assertWhole(limited);
});

Deno.test("VideoLayers: a limit that comes later, or shows when the others have grown, costs them no rate", async () => {
  for (const cause of ["later", "grown"]) {
    await using set = new SetUp();
    set.layers.remove(set.slow);
    const limited = set.limited(1500);
    if (cause === "later") Object.assign(limited, { targetKbps: 2000, limitKbps: 9000 });
    else set.fast.targetKbps = 1600;
    set.layers.add(limited);
    await set.play(2);
    if (cause === "later") Object.assign(limited, { targetKbps: 1500, limitKbps: 1500 });
    else set.fast.targetKbps = 2000;
    await set.play(2);
    const before = cause === "later" ? [] : [1500, 2000];
    assert.deepEqual(set.encoderRates, [before, [1500]], cause);
    // One went by while the encoder of the limited viewer was opened.
    assert.deepEqual([set.fast.frames.length, limited.frames.length], [40, 39]);
  }
});

Deno.test("VideoLayers: where there is one encoding only, who limits itself shares it", async () => {
  await using set = new SetUp();
  set.layers.remove(set.slow);
  await set.play(1);
  let tries = 0;
  set.encoders.prepare = () => {
    tries++;
    throw new Error("no more encoders");
  };
  const limited = set.limited();
  set.layers.add(limited);
  await set.play(2);
  assert.deepEqual([set.encoderRates, set.layers.branches.length], [[[300]], 1]);
  assert.deepEqual([limited.frames.length, tries], [20, 1]);
});

Deno.test("VideoLayers: a renderer that encodes opens no encoder for who limits itself, whatever comes between", async () => {
  await using set = new SetUp();
  set.layers.remove(set.slow);
  const data = Uint8Array.of(0, 0, 0, 1, 0x65, 1);
  await set.layers.take({ kind: "h264", data, keyframe: true, timestampUs: 1_000 });
  set.layers.add(set.limited());
  for (let turn = 2; turn < 10; turn++) {
    set.layers.refresh(turn * 1_000 - 1);
    await set.layers.take({ kind: "h264", data, keyframe: true, timestampUs: turn * 1_000 });
    await settle();
  }
  assert.equal(set.encoders.opened.length, 1);
  assert.equal(set.rates.at(-1), 300);
});
