import assert from "assert";
import { framesOf, openBranch, passed } from "../support/parts/branch_set_up.ts";
import { FakeSink } from "../support/parts/fake_peer.ts";
import type { FakeEncoders } from "../support/parts/fake_source.ts";

Deno.test("VideoBranch: a picture that would be late for everybody is not encoded", async () => {
  const { branch, encoders, meter, show } = await openBranch();
  const [one, two] = [new FakeSink(), new FakeSink()];
  branch.add(one);
  branch.add(two);
  await show(1);
  assert.equal(branch.fullBy, undefined);
  one.isFull = two.isFull = true;
  assert.equal(branch.fullBy, "path_full", "so that none is rendered");
  await show(2);
  await show(3);
  one.isFull = false;
  assert.equal(branch.fullBy, undefined);
  await show(4);
  assert.deepEqual(encoders.latest.encoded.map(({ timestampUs }) => timestampUs), [1, 4]);
  assert.equal(meter.value("frames_dropped_total", { reason: "path_full" }), 2);
  assert.deepEqual(framesOf(two), ["1k", "4"], "a path that is full for a moment loses no picture");
  await branch.close();
});

Deno.test("VideoBranch: a renderer that encodes is asked for each picture, as its next one refers to it", async () => {
  const { branch } = await openBranch();
  const sink = Object.assign(new FakeSink(), { isFull: true });
  branch.add(sink);
  branch.pass(passed(1, { keyframe: true }));
  assert.equal(branch.fullBy, undefined);
  await branch.close();
});

/** Rates that pictures were encoded at, each once. */
const ratesOf = ({ latest }: FakeEncoders) => [
  ...new Set(latest.encoded.map(({ kbps }) => kbps)),
];

Deno.test("VideoBranch: the encoder follows the slowest viewer's path, and whoever listens hears of it", async () => {
  const { branch, encoders, rates, show } = await openBranch();
  const [one, two] = [new FakeSink(), new FakeSink()];
  branch.add(one);
  await show(1);
  assert.deepEqual(rates, [], "it was opened with this rate");
  two.targetKbps = 60;
  branch.add(two);
  await show(2);
  one.targetKbps = 80;
  await show(3);
  branch.remove(two);
  await show(4);
  assert.deepEqual(rates, [60, 80]);
  assert.deepEqual(ratesOf(encoders), [100, ...rates]);
  await branch.close();
});

Deno.test("VideoBranch: changes of the rate below 3 % are kept from the encoder until they add up", async () => {
  const { branch, encoders, show } = await openBranch();
  const sink = new FakeSink();
  branch.add(sink);
  for (let kbps = 100; kbps <= 110; kbps++) {
    sink.targetKbps = kbps;
    await show(kbps);
  }
  assert.deepEqual(ratesOf(encoders), [100, 103, 107]);
  await branch.close();
});

Deno.test("VideoBranch: who was left out gets a keyframe as soon as its path is free, nobody before", async () => {
  const { branch, clock, meter, show } = await openBranch();
  const [slow, quick] = [new FakeSink(), new FakeSink()];
  branch.add(slow);
  branch.add(quick);
  await show(0);
  slow.isFull = true;
  for (let ms = 0; ms < 2_000; ms += 100) {
    await clock.advance(100);
    await show(clock.now());
  }
  assert.equal(meter.value("viewers_left_out_total"), 1);
  assert.ok(slow.frames.length < 8, framesOf(slow).join());
  const before = slow.frames.length;
  slow.isFull = false;
  for (let frame = 0; frame < 4; frame++) {
    await clock.advance(100);
    await show(clock.now());
  }
  assert.deepEqual(framesOf(slow).slice(before), ["2100k", "2200", "2300", "2400"]);
  assert.equal(quick.frames.length, 25);
  assert.equal(quick.frames.filter(({ keyframe }) => keyframe).length, 2);
  assert.equal(meter.value("keyframes_requested_total", { reason: "left_out" }), 1);
  await branch.close();
});

Deno.test("VideoBranch: a renderer that encodes hears of the rate, and of viewers that come back", async () => {
  const { branch, clock, rates, asked } = await openBranch();
  const [slow, quick] = [new FakeSink(), new FakeSink()];
  branch.add(slow);
  branch.add(quick);
  branch.pass(passed(0, { keyframe: true }));
  slow.targetKbps = 40;
  branch.pass(passed(1));
  assert.deepEqual(rates, [40]);
  slow.isFull = true;
  for (let ms = 0; ms < 2_000; ms += 100) {
    await clock.advance(100);
    branch.pass(passed(clock.now()));
  }
  slow.isFull = false;
  await clock.advance(100);
  assert.deepEqual(asked, []);
  branch.pass(passed(clock.now()));
  assert.deepEqual(asked, [clock.now()], "a keyframe is due");
  await branch.close();
});
