import assert from "assert";
import { NULL_LOGGER } from "../../src/base/log.ts";
import { KEYFRAME_INTERVAL_MS_MIN, VideoBranch } from "../../src/session/video_branch.ts";
import { BRANCH_SETTINGS, framesOf, openBranch } from "../support/parts/branch_set_up.ts";
import { FakeClock, settle } from "../support/parts/fake_clock.ts";
import { FakeSink } from "../support/parts/fake_peer.ts";
import { FakeEncoders, rawFrame } from "../support/parts/fake_source.ts";
import { RecordingMeter } from "../support/parts/recording_meter.ts";

/** A gate that holds until it is opened, and then stays open. */
function holdGate() {
  const { promise, resolve } = Promise.withResolvers<void>();
  return {
    pass: () => promise,
    open: () => {
      resolve();
      return settle();
    },
  };
}

Deno.test("VideoBranch: while nobody watches, nothing is encoded", async () => {
  const { branch, encoders, show } = await openBranch();
  await show(1);
  assert.deepEqual(encoders.latest.encoded, []);
  const sink = new FakeSink();
  branch.add(sink);
  await show(2);
  branch.remove(sink);
  await show(3);
  assert.deepEqual(encoders.latest.encoded, [{ timestampUs: 2, keyframe: true, kbps: 100 }]);
  await branch.close();
});

Deno.test("VideoBranch: one encode serves all viewers with the very same payloads", async () => {
  const { branch, encoders, meter, show } = await openBranch();
  const [one, two] = [new FakeSink(), new FakeSink()];
  branch.add(one);
  branch.add(two);
  assert.equal(branch.size, 2);
  await show(1);
  assert.equal(encoders.latest.encoded.length, 1);
  assert.equal(one.frames[0]?.payloads, two.frames[0]?.payloads);
  assert.equal(meter.value("frames_sent_total", { codec: "h264" }), 1);
  await branch.close();
});

Deno.test("VideoBranch: who joins gets nothing before a keyframe, and one is made for them", async () => {
  const { branch, clock, show } = await openBranch();
  const [first, late] = [new FakeSink(), new FakeSink()];
  branch.add(first);
  await show(1);
  await show(2);
  await clock.advance(100);
  branch.add(late);
  await show(3);
  assert.deepEqual(framesOf(late), []);
  await clock.advance(KEYFRAME_INTERVAL_MS_MIN - 100);
  await show(4);
  await show(5);
  assert.deepEqual(framesOf(first), ["1k", "2", "3", "4k", "5"]);
  assert.deepEqual(framesOf(late), ["4k", "5"]);
  await branch.close();
});

Deno.test("VideoBranch: however many ask, one keyframe in 300 ms", async () => {
  const { branch, clock, meter, show } = await openBranch();
  const sink = new FakeSink();
  branch.add(sink);
  for (let ms = 0; ms < 3_000; ms += 50) {
    branch.requestKeyframe("pli");
    branch.requestKeyframe("fir");
    await show(ms);
    await clock.advance(50);
  }
  const keyframes = sink.frames.filter(({ keyframe }) => keyframe);
  assert.deepEqual(
    keyframes.map(({ timestampUs }) => timestampUs),
    [0, 300, 600, 900, 1_200, 1_500, 1_800, 2_100, 2_400, 2_700],
  );
  assert.equal(meter.value("keyframes_requested_total", { reason: "pli" }), 60);
  await branch.close();
});

Deno.test("VideoBranch: nobody asks, no keyframe", async () => {
  const { branch, clock, show } = await openBranch();
  const sink = new FakeSink();
  branch.add(sink);
  for (let frame = 0; frame < 50; frame++) {
    await show(frame);
    await clock.advance(1_000);
  }
  assert.equal(sink.frames.filter(({ keyframe }) => keyframe).length, 1);
  await branch.close();
});

Deno.test("VideoBranch: while one picture is compressed only the latest waits", async () => {
  const { branch, encoders, meter, show } = await openBranch();
  const sink = new FakeSink();
  branch.add(sink);
  const gate = holdGate();
  encoders.latest.gate = gate.pass;
  for (const timestampUs of [1, 2, 3, 4]) await show(timestampUs);
  assert.deepEqual(framesOf(sink), []);
  await gate.open();
  assert.deepEqual(framesOf(sink), ["1k", "4"]);
  assert.equal(meter.value("frames_dropped_total", { reason: "encoder_busy" }), 2);
  await branch.close();
});

Deno.test("VideoBranch: a frame's memory is given back as soon as it is loaded", async () => {
  const { branch, encoders } = await openBranch();
  branch.add(new FakeSink());
  const gate = holdGate();
  encoders.latest.gate = gate.pass;
  await branch.take(rawFrame(1));
  await branch.take(rawFrame(2));
  await gate.open();
  await branch.close();
});

Deno.test("VideoBranch: a keyframe that the rate control left out is made up for", async () => {
  const { branch, clock, encoders, meter, show } = await openBranch();
  const sink = new FakeSink();
  branch.add(sink);
  encoders.latest.skips = true;
  await show(1);
  encoders.latest.skips = false;
  await clock.advance(KEYFRAME_INTERVAL_MS_MIN);
  await show(2);
  assert.deepEqual(framesOf(sink), ["2k"]);
  assert.equal(meter.value("frames_dropped_total", { reason: "encoder_skipped" }), 1);
  await branch.close();
});

Deno.test("VideoBranch: an encoder that cannot be opened fails the branch, once", async () => {
  const encoders = new FakeEncoders();
  encoders.prepare = () => {
    throw new Error("no such encoder");
  };
  const { branch, failures, show } = await openBranch(encoders);
  branch.add(new FakeSink());
  await show(1);
  assert.deepEqual(failures.map(({ message }) => message), ["no such encoder"]);
  await branch.close();
});

for (const gate of ["gate", "loadGate"] as const) {
  Deno.test(`VideoBranch: an encoder that breaks (${gate}) fails the branch, once, and is freed`, async () => {
    const { branch, encoders, failures, show } = await openBranch();
    const sink = new FakeSink();
    branch.add(sink);
    encoders.latest[gate] = () => Promise.reject(new Error("broken"));
    await show(1);
    await show(2);
    assert.deepEqual(failures.map(({ message }) => message), ["broken"]);
    assert.deepEqual(framesOf(sink), []);
    assert.ok(encoders.latest.isClosed);
    await branch.close();
  });
}

Deno.test("VideoBranch: closing waits for the picture that is being compressed", async () => {
  const { branch, encoders, failures, show } = await openBranch();
  branch.add(new FakeSink());
  const gate = holdGate();
  encoders.latest.gate = gate.pass;
  await show(1);
  const closed = branch.close();
  await settle();
  assert.ok(!encoders.latest.isClosed);
  await gate.open();
  await closed;
  assert.ok(encoders.latest.isClosed);
  await show(2);
  assert.equal(encoders.latest.encoded.length, 1);
  assert.deepEqual(failures, []);
});

Deno.test("VideoBranch: closing before the encoder is open frees it all the same", async () => {
  const encoders = new FakeEncoders();
  const branch = new VideoBranch({
    codec: "vp8",
    layer: "main",
    encoders,
    settings: BRANCH_SETTINGS,
    clock: new FakeClock(),
    meter: new RecordingMeter(),
    log: NULL_LOGGER,
    onRate: () => assert.fail(),
    onKeyframeDue: () => assert.fail(),
    onFailed: assert.fail,
  });
  await branch.close();
  assert.ok(encoders.latest.isClosed);
});
