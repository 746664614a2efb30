import assert from "assert";
import type { IdleClip } from "../../src/media/idle/clip.ts";
import { EncodedLoops } from "../../src/media/idle/encoded_loops.ts";
import { FakeClock, settle } from "../support/parts/fake_clock.ts";
import { FakeEncoders, rawFrame } from "../support/parts/fake_source.ts";
import { clipOf } from "../support/media/idle_clip.ts";
import { RecordingLog } from "../support/media/idle_library.ts";
import { RecordingMeter } from "../support/parts/recording_meter.ts";

const SETTINGS = { width: 16, height: 16, fps: 10, bitrateKbps: 900 } as const;
const H264 = { codec: "h264", settings: SETTINGS } as const;
/** What the fake encoder makes of it. */
const LOOP_BYTES = 240;

class SetUp {
  readonly encoders = new FakeEncoders();
  readonly clock = new FakeClock();
  readonly meter = new RecordingMeter();
  readonly log = new RecordingLog();
  readonly loops: EncodedLoops;

  constructor(bytesMax = 10_000) {
    const { encoders, clock, meter, log } = this;
    this.loops = new EncodedLoops({ encoders, clock, meter, log, bytesMax });
  }

  /** Loops that were encoded. */
  get encoded(): number {
    return this.encoders.opened.length;
  }

  /** Asks for a clip and lets it be made. */
  async make(clip: IdleClip, { kbps = 900, format = H264 }: {
    kbps?: number;
    format?: Parameters<EncodedLoops["of"]>[1];
  } = {}) {
    const rates = this.loops.of(clip, format);
    rates.best(kbps);
    for (let turn = 0; turn < 10; turn++) await settle();
    return rates;
  }
}

function movingClip(name = "default"): IdleClip {
  return clipOf(name, {
    still: false,
    frameAt: (elapsedUs) => rawFrame(elapsedUs),
    durationUs: 3e6,
  });
}

Deno.test("EncodedLoops: sessions that show the same share one loop, encoded at the first request", async () => {
  const { loops, encoders, meter, make } = bound(new SetUp());
  const clip = movingClip();
  const [one, other] = [loops.of(clip, H264), loops.of(clip, H264)];
  assert.equal(one.best(900), undefined, "not yet");
  assert.equal(other.best(900), undefined);
  await make(clip);
  const [shared, again] = [one.best(900), other.best(900)];
  assert.ok(shared !== undefined && shared.loop === again?.loop);
  assert.equal(encoders.opened.length, 1);
  assert.ok(encoders.latest.isClosed);
  assert.equal(meter.value("idle_loops_encoded_total", { codec: "h264" }), 1);
  assert.deepEqual([meter.value("idle_loops"), meter.value("idle_loop_bytes")], [1, LOOP_BYTES]);
});

Deno.test("EncodedLoops: leases of one clip share; another clip, codec, size, frame rate or ceiling does not", async () => {
  const set = new SetUp();
  const clip = movingClip();
  await set.make(clip);
  await set.make({ ...clip, name: "the same under another name" });
  assert.equal(set.encoded, 1);
  await set.make(movingClip());
  await set.make(clip, { format: { codec: "vp8", settings: SETTINGS } });
  for (const other of [{ width: 32 }, { fps: 20 }, { bitrateKbps: 800 }, { adaptiveSize: false }]) {
    await set.make(clip, { format: { codec: "h264", settings: { ...SETTINGS, ...other } } });
  }
  assert.equal(set.encoded, 7);
});

Deno.test("EncodedLoops: each rate is encoded when it is needed first, and the best that fits is shown", async () => {
  const set = new SetUp();
  const clip = movingClip();
  // Larger than any rate takes in a quarter of a second, so that what a loop is allowed is what it needs.
  set.encoders.prepare = (encoder) => {
    const { encode } = encoder;
    encoder.encode = async (options) => {
      const encoded = await encode.call(encoder, options);
      return encoded && { ...encoded, data: new Uint8Array(options.kbps * 1000 / 8 / 10) };
    };
  };
  const big = new EncodedLoops({ ...set, bytesMax: 1e7 });
  const rates = big.of(clip, H264);
  const bestOf = async (kbps: number) => {
    rates.best(kbps);
    for (let turn = 0; turn < 10; turn++) await settle();
    return Math.round(rates.best(kbps)?.kbps ?? 0);
  };
  assert.equal(await bestOf(500), 400);
  assert.equal(await bestOf(700), 600);
  assert.equal(await bestOf(500), 400);
  assert.equal(
    Math.round(rates.best(200)?.kbps ?? 0),
    178,
    "made with the first, for paths that become slow",
  );
  assert.equal(set.encoders.opened.length, 3);
  assert.equal(Math.round(rates.best(900)?.kbps ?? 0), 600, "while the best one is made");
  assert.equal(await bestOf(900), 900);
  assert.equal(rates.best(50), undefined, "none is as small");
});

Deno.test("EncodedLoops: a loop that needs less than it was allowed is shown to slower viewers too", async () => {
  const set = new SetUp();
  const rates = await set.make(movingClip());
  const shared = rates.best(100);
  assert.equal(shared?.kbps, 900);
  assert.ok((shared?.loop.neededKbps ?? 100) < 100);
  assert.equal(set.encoded, 1);
});

Deno.test("EncodedLoops: what nobody shows makes room, least recently used first, and is encoded again", async () => {
  const set = new SetUp(2 * LOOP_BYTES + 10);
  const clips = ["one", "two", "three"].map(movingClip);
  const [one, two, three] = clips;
  if (one === undefined || two === undefined || three === undefined) throw new Error();
  const first = await set.make(one);
  await set.make(two);
  const end = first.best(900)?.use();
  end?.();
  end?.();
  await set.make(three);
  assert.deepEqual([set.encoded, set.loops.bytes], [3, 2 * LOOP_BYTES]);
  assert.ok(first.best(900) !== undefined, "it was shown last");
  await set.make(two);
  assert.equal(set.encoded, 4);
  assert.deepEqual(set.log.all("idle_loop_ready").map(({ source }) => source), [
    ...["one", "two", "three", "two"],
  ]);
});

Deno.test("EncodedLoops: what is shown stays; a loop that finds no room is not kept, nor tried again at once", async () => {
  const set = new SetUp(LOOP_BYTES + 10);
  const first = await set.make(movingClip("one"));
  const end = first.best(900)?.use();
  const clip = movingClip("two");
  const second = await set.make(clip);
  assert.equal(second.best(900), undefined);
  assert.equal(set.loops.bytes, LOOP_BYTES);
  assert.equal(set.log.all("idle_loop_too_large").length, 1);
  await set.make(clip);
  assert.equal(set.encoded, 2);
  end?.();
  set.clock.stall(61_000);
  await set.make(clip);
  assert.ok(second.best(900) !== undefined);
});

Deno.test("EncodedLoops: an encoder that cannot be opened is logged, and tried again after a minute", async () => {
  const set = new SetUp();
  let tries = 0;
  set.encoders.prepare = () => {
    tries++;
    throw new Error("no more encoders");
  };
  const clip = movingClip();
  await set.make(clip);
  await set.make(clip);
  assert.deepEqual([tries, set.log.all("idle_loop_failed").length, set.loops.bytes], [1, 1, 0]);
  set.encoders.prepare = () => {};
  set.clock.stall(61_000);
  const rates = await set.make(clip);
  assert.ok(rates.best(900) !== undefined);
});

Deno.test("EncodedLoops: one loop at a time is encoded, and closing waits for it and begins no other", async () => {
  const set = new SetUp();
  const gate = Promise.withResolvers<void>();
  set.encoders.prepare = (encoder) => encoder.gate = () => gate.promise;
  await set.make(movingClip("one"));
  await set.make(movingClip("two"));
  assert.equal(set.encoded, 1);
  let isClosed = false;
  const closed = set.loops.close().then(() => isClosed = true);
  await settle();
  assert.ok(!isClosed);
  gate.resolve();
  await closed;
  assert.equal(set.encoded, 1);
  assert.ok(set.encoders.latest.isClosed);
  assert.equal(set.log.all("idle_loop_failed").length, 0);
});

Deno.test("EncodedLoops: what no session requests any more when its turn comes is not encoded", async () => {
  const set = new SetUp();
  const gate = Promise.withResolvers<void>();
  set.encoders.prepare = (encoder) => encoder.gate = () => gate.promise;
  const [first, late, wanted] = [movingClip("first"), movingClip("late"), movingClip("wanted")];
  await set.make(first);
  await set.make(late);
  await set.make(wanted);
  set.clock.stall(2_000);
  set.loops.of(wanted, H264).best(900);
  gate.resolve();
  for (let turn = 0; turn < 20; turn++) await settle();
  const made = () => set.log.all("idle_loop_ready").map(({ source }) => source);
  assert.deepEqual(made(), ["first", "wanted"]);
  await set.make(late);
  assert.deepEqual(made(), ["first", "wanted", "late"], "it did not fail");
});

Deno.test("EncodedLoops.claimLive: while a loop is encoded, sessions leave it a processor", async () => {
  const set = new SetUp();
  const places = Math.max(1, navigator.hardwareConcurrency - 1);
  const claims = () => Array.from({ length: places + 2 }, () => set.loops.claimLive());
  for (const done of claims()) done?.();
  const gate = Promise.withResolvers<void>();
  set.encoders.prepare = (encoder) => encoder.gate = () => gate.promise;
  await set.make(movingClip());
  const taken = claims();
  assert.equal(taken.filter((done) => done !== undefined).length, places);
  taken[0]?.();
  assert.ok(set.loops.claimLive() !== undefined);
  gate.resolve();
  for (let turn = 0; turn < 10; turn++) await settle();
  assert.ok(claims().every((done) => done !== undefined), "as many as there are");
});

Deno.test("EncodedLoops: a moving loop is encoded from its end on, so that its start follows on from it", async () => {
  const set = new SetUp();
  await set.make(movingClip());
  const { encoded } = set.encoders.latest;
  const times = encoded.map(({ timestampUs }) => timestampUs);
  assert.deepEqual(times, Array.from({ length: 60 }, (_, index) => index * 100_000));
  const keyframes = encoded.filter(({ keyframe }) => keyframe);
  assert.deepEqual(keyframes.map(({ timestampUs }) => timestampUs / 1e6), [0, 1, 2, 3, 4, 5]);
});

/** Its method can be taken off it. */
function bound(set: SetUp) {
  const { loops, encoders, meter } = set;
  return { loops, encoders, meter, make: set.make.bind(set) };
}
