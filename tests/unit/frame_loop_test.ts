import assert from "assert";
import type { AudioChunk, SourceFrame } from "../../src/media/frame.ts";
import type { FrameDrop } from "../../src/base/shared_metrics.ts";
import { NULL_LOGGER } from "../../src/base/log.ts";
import { FrameLoop, type SoundOutput } from "../../src/session/frame_loop.ts";
import { FakeClock, settle } from "../support/parts/fake_clock.ts";
import { FakeSource } from "../support/parts/fake_source.ts";
import { RecordingMeter } from "../support/parts/recording_meter.ts";

/** A loop that runs already, and what came out of it. @param options.fps Default: 10. */
function setUp(
  prepare: (source: FakeSource, clock: FakeClock) => void = () => {},
  { fps = 10, sound }: { fps?: number; sound?: SoundOutput } = {},
) {
  const clock = new FakeClock();
  const meter = new RecordingMeter();
  const stop = new AbortController();
  const source = new FakeSource({ sessionId: "s", width: 16, height: 16, fps, params: {} });
  prepare(source, clock);
  const frames: number[] = [];
  const failures: string[] = [];
  const idleAt: number[] = [];
  let fullBy = (): FrameDrop | undefined => undefined;
  const room = Promise.withResolvers<void>();
  let show: (frame: SourceFrame) => Promise<void> = () => Promise.resolve();
  const loop = new FrameLoop({
    source,
    renderer: "fake",
    fps,
    sound,
    clock,
    meter,
    log: {
      ...NULL_LOGGER,
      error: (_event, { call, in_a_row, error } = {}) =>
        void failures.push(`${call} ${in_a_row} ${error}`),
    },
    timelineUs: () => clock.now() * 1000,
    pictures: {
      get fullBy() {
        return fullBy();
      },
      get room() {
        return room.promise;
      },
      show: async (frame) => {
        await show(frame);
        frames.push(frame.timestampUs / 1000);
      },
      hold() {},
      idle: () => Promise.resolve(void idleAt.push(clock.now())),
    },
    message() {},
    signal: stop.signal,
  });
  const done = loop.run();
  return {
    clock,
    meter,
    source,
    frames,
    failures,
    idleAt,
    done,
    health: () => loop.health,
    onShow: (next: typeof show) => show = next,
    makeRoom: room.resolve,
    whileFull: (next: typeof fullBy) => fullBy = next,
    end: async () => {
      stop.abort();
      await done;
    },
  };
}

/** Lets the event loop's clock pass while a call is under way. */
function lasting(clock: FakeClock, ms: number): Promise<void> {
  return new Promise((resolve) => clock.after(ms, () => resolve()));
}

Deno.test("FrameLoop: asks for a picture each 1/fps seconds, the first at once", async () => {
  const { clock, frames, meter, end } = setUp();
  await clock.advance(450);
  assert.deepEqual(frames, [0, 100, 200, 300, 400]);
  assert.equal(meter.observed("render_seconds").length, 5);
  await end();
});

Deno.test("FrameLoop.health: frames, idle, failures in a row and a stalled call", async () => {
  const { clock, source, health, end } = setUp();
  await clock.advance(150);
  assert.deepEqual([health().state, health().lastFrameMs], ["frames", 100]);
  source.next = () => Promise.reject(new Error("no model"));
  await clock.advance(1000);
  const { state, lastFrameMs, failuresInARow, error } = health();
  assert.deepEqual([state, lastFrameMs, error], ["failing", 100, "no model"]);
  assert.ok(failuresInARow >= 2, `${failuresInARow}`);
  source.next = () => Promise.resolve({ status: "idle" });
  await clock.advance(5000);
  assert.deepEqual([health().state, health().failuresInARow], ["idle", 0]);
  source.next = () => lasting(clock, 2000).then(() => ({ status: "unchanged" }));
  await clock.advance(1000);
  assert.equal(health().state, "stalled");
  await clock.advance(1500);
  assert.deepEqual([health().state, health().error], ["frames", undefined]);
  await end();
});

Deno.test("FrameLoop: the time that a picture takes is not added to the pace", async () => {
  const { clock, frames, end, onShow } = setUp();
  onShow(() => lasting(clock, 70));
  await clock.advance(470);
  assert.deepEqual(frames, [0, 100, 200, 300, 400]);
  await end();
});

Deno.test("FrameLoop: pictures that come too late are skipped and counted, not queued", async () => {
  const { clock, frames, meter, end, onShow } = setUp();
  onShow((frame) => frame.timestampUs === 100_000 ? lasting(clock, 450) : Promise.resolve());
  await clock.advance(1_050);
  // 550 came out of the long one; 200 to 400 are gone, what is due since 500 is caught up.
  assert.deepEqual(frames, [0, 100, 550, 600, 700, 800, 900, 1_000]);
  assert.equal(meter.value("frames_dropped_total", { reason: "late" }), 3);
  await end();
});

Deno.test("FrameLoop: an idle source is asked again at the same pace", async () => {
  const { clock, source, idleAt, frames, end } = setUp((source) => {
    source.next = () => Promise.resolve({ status: "idle" });
  });
  await clock.advance(250);
  assert.deepEqual([source.rendered.length, idleAt], [3, [0, 100, 200]]);
  assert.deepEqual(frames, []);
  await end();
});

for (const status of ["end", "failed"] as const) {
  Deno.test(`FrameLoop: a source that says ${status} is not asked again`, async () => {
    const { clock, source, done } = setUp((source) => {
      source.next = () => Promise.resolve({ status });
    });
    await clock.advance(1_000);
    assert.deepEqual(await done, { settled: true, failed: status === "failed" });
    assert.equal(source.rendered.length, 1);
    assert.equal(clock.pending, 0);
  });
}

Deno.test("FrameLoop: errors are told with their number in a row, and spaced out", async () => {
  const { clock, source, failures, meter, frames, end } = setUp((source) => {
    source.next = () => Promise.reject(new Error("no device"));
  });
  await clock.advance(10_000);
  const calls = source.rendered.length;
  assert.ok(calls >= 4 && calls < 12, `${calls} calls in ten seconds`);
  assert.deepEqual(failures.slice(0, 3), [1, 2, 3].map((n) => `render ${n} no device`));
  assert.equal(meter.value("renderer_errors_total", { call: "render" }), calls);
  source.next = new FakeSource(source.options).next;
  await clock.advance(6_000);
  assert.ok(frames.length > 5, "a good call ends the pause");
  source.next = () => Promise.reject(new Error("again"));
  await clock.advance(200);
  assert.equal(failures.at(-1), "render 1 again");
  await end();
});

Deno.test("FrameLoop: an abort ends the pause between pictures at once and leaves no timer", async () => {
  const { clock, source, end } = setUp();
  await clock.advance(10);
  await end();
  assert.equal(clock.pending, 0);
  await clock.advance(1_000);
  assert.equal(source.rendered.length, 1);
});

Deno.test("FrameLoop: an abort ends a loop whose source is stuck, and says so", async () => {
  const stuck = Promise.withResolvers<never>();
  const { clock, idleAt, done, end } = setUp((source) => source.next = () => stuck.promise);
  await clock.advance(2_000);
  assert.ok(idleAt.length > 0, "viewers see the idle picture meanwhile");
  await end();
  assert.deepEqual(await done, { settled: false, failed: false });
  assert.equal(clock.pending, 0);
});

Deno.test("FrameLoop: calls of a source never overlap", async () => {
  const { clock, source, failures, end } = setUp((source, clock) => {
    const render = source.next;
    source.next = async (timestampUs) => {
      await lasting(clock, 130);
      return await render(timestampUs);
    };
  });
  await clock.advance(2_000);
  assert.ok(source.rendered.length > 10);
  assert.deepEqual(failures, []);
  await end();
  await settle();
});

Deno.test("FrameLoop: sound that no viewer receives is fetched ten times a second, other sound twice a picture", async () => {
  let isHeard = false;
  const fetched: number[] = [];
  const taken: number[] = [];
  const sound = {
    get isHeard() {
      return isHeard;
    },
    take: ({ timestampUs = 0 }: AudioChunk) => void taken.push(timestampUs / 1000),
  };
  const { clock, end } = setUp((source, clock) => {
    const audio = (timestampUs: number) => {
      fetched.push(clock.now());
      return Promise.resolve({
        sampleRate: 48_000,
        channels: 1 as const,
        samples: new Int16Array(1),
        timestampUs,
      });
    };
    Object.assign(source, { audio });
  }, { fps: 50, sound });
  await clock.advance(1_000);
  assert.ok(fetched.length >= 9 && fetched.length <= 11, `${fetched.length}`);
  isHeard = true;
  const [heardMs, before] = [clock.now(), fetched.length];
  taken.length = 0;
  await clock.advance(1_000);
  assert.ok(fetched.length >= before + 95, `${fetched.length - before}`);
  // The first chunk began long before.
  assert.equal(taken.length, fetched.length - before - 1);
  assert.ok((taken[0] ?? 0) - heardMs <= 40, `${taken[0]}`);
  await end();
});

Deno.test("FrameLoop: while all paths are full, no picture is rendered, but one each 500 ms", async () => {
  const { clock, meter, whileFull, end } = setUp(() => {}, { fps: 50 });
  await clock.advance(100);
  whileFull(() => "path_full");
  const before = meter.observed("render_seconds").length;
  await clock.advance(2_000);
  const rendered = meter.observed("render_seconds").length - before;
  assert.ok(rendered >= 3 && rendered <= 5, `${rendered}`);
  const dropped = meter.value("frames_dropped_total", { reason: "path_full" });
  assert.ok(dropped + rendered >= 95, `${dropped}`);
  whileFull(() => undefined);
  await clock.advance(20);
  await end();
});

Deno.test("FrameLoop: while pictures are left out, messages are fetched ten times a second", async () => {
  let polls = 0;
  const { clock, whileFull, end } = setUp((source) => {
    Object.assign(source, { pollMessage: () => Promise.resolve(void polls++) });
  }, { fps: 50 });
  await clock.advance(400);
  assert.ok(polls >= 20, `${polls}`);
  whileFull(() => "encoder_busy");
  const before = polls;
  await clock.advance(400);
  assert.ok(polls - before >= 3 && polls - before <= 5, `${polls - before}`);
  whileFull(() => undefined);
  await clock.advance(20);
  await end();
});

Deno.test("FrameLoop: while a picture still waits for the encoder, none is rendered, but sound goes on", async () => {
  let sounds = 0;
  const { clock, frames, meter, whileFull, end } = setUp((source) => {
    Object.assign(source, { audio: () => Promise.resolve(void sounds++) });
  });
  await clock.advance(250);
  assert.deepEqual(frames, [0, 100, 200]);
  whileFull(() => "encoder_busy");
  const [rendered, heard] = [meter.observed("render_seconds").length, sounds];
  await clock.advance(300);
  assert.equal(meter.observed("render_seconds").length, rendered);
  assert.equal(meter.value("frames_dropped_total", { reason: "encoder_busy" }), 2);
  assert.ok(sounds >= heard + 3, `${sounds - heard}`);
  whileFull(() => undefined);
  await clock.advance(200);
  assert.deepEqual(frames, [0, 100, 200, 600, 700]);
  await end();
});

Deno.test("FrameLoop: a picture that waits for room is rendered when there is, and the next one is in time", async () => {
  const { clock, frames, meter, whileFull, makeRoom, end } = setUp();
  await clock.advance(150);
  whileFull(() => "encoder_busy");
  await clock.advance(80);
  whileFull(() => undefined);
  makeRoom();
  await clock.advance(200);
  assert.deepEqual(frames, [0, 100, 230, 300, 400]);
  assert.equal(meter.value("frames_dropped_total", { reason: "encoder_busy" }), 0);
  await end();
});

Deno.test("FrameLoop: a source is asked twice a second even while its last picture waits", async () => {
  const { clock, source, idleAt, whileFull, end } = setUp();
  await clock.advance(250);
  whileFull(() => "encoder_busy");
  source.next = () => Promise.resolve({ status: "idle" });
  await clock.advance(1_000);
  assert.deepEqual(idleAt, [700, 800, 900, 1_000, 1_100, 1_200]);
  await end();
});
