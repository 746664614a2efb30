import assert from "assert";
import { NULL_LOGGER } from "../../src/base/log.ts";
import { EncodingTurns } from "../../src/session/encoding_turns.ts";
import { HeadroomEstimate, measureHeadroom } from "../../src/session/headroom.ts";
import { FakeClock } from "../support/parts/fake_clock.ts";
import { RecordingMeter } from "../support/parts/recording_meter.ts";

/** An event loop whose timers are late, and encoders that work some of the time. */
class Loop {
  readonly estimate: HeadroomEstimate = new HeadroomEstimate();
  /** Each change of `isBusy`, with its time in seconds. */
  readonly changes: string[] = [];
  #nowMs = 0;
  #busyMs = 0;

  /** Lets time pass with probes that are so late, while the encoders use such a share of their turns. */
  pass(
    ms: number,
    { lateMs = 0, encoding = 0 }: { lateMs?: number; encoding?: number } = {},
  ): void {
    for (const untilMs = this.#nowMs + ms; this.#nowMs < untilMs;) {
      const passedMs = 20 + lateMs;
      this.#nowMs += passedMs;
      this.#busyMs += encoding * passedMs;
      const was = this.estimate.isBusy;
      this.estimate.note({ nowMs: this.#nowMs, lateMs, busyMs: this.#busyMs });
      const { isBusy } = this.estimate;
      if (isBusy !== was) {
        this.changes.push(`${isBusy ? "busy" : "free"} ${Math.round(this.#nowMs / 1000)}`);
      }
    }
  }
}

function assertNear(value: number, wanted: number): void {
  assert.ok(Math.abs(value - wanted) < 0.02, `${value}`);
}

Deno.test("HeadroomEstimate: the share that is free of the loop or of the encoders, whichever is less", () => {
  const loop = new Loop();
  loop.pass(10_000);
  assert.equal(loop.estimate.free, 1);
  loop.pass(10_000, { lateMs: 20 });
  assertNear(loop.estimate.free, 0.5);
  loop.pass(10_000, { lateMs: 20, encoding: 0.8 });
  assertNear(loop.estimate.free, 0.2);
  loop.pass(10_000, { encoding: 0.1 });
  assertNear(loop.estimate.free, 0.9);
});

Deno.test("HeadroomEstimate: a start under full load, and stalls of 2 s, are not overload", () => {
  const loop = new Loop();
  loop.pass(4_500, { encoding: 1 });
  loop.pass(10_000);
  for (let stall = 0; stall < 5; stall++) {
    loop.pass(1, { lateMs: 2_000, encoding: 1 });
    loop.pass(4_000);
  }
  assert.deepEqual(loop.changes, []);
});

Deno.test("HeadroomEstimate: busy within 5 s of full load, and free within 5 s after it", () => {
  const loop = new Loop();
  loop.pass(10_000, { encoding: 0.5 });
  loop.pass(20_000, { encoding: 1 });
  loop.pass(20_000, { encoding: 0.5 });
  assert.deepEqual(loop.changes, ["busy 15", "free 32"]);
});

Deno.test("HeadroomEstimate: a loop that is blocked for good is busy too", () => {
  const loop = new Loop();
  loop.pass(10_000);
  loop.pass(20_000, { lateMs: 600 });
  loop.pass(10_000);
  assert.equal(loop.changes.length, 2, `${loop.changes}`);
});

Deno.test("HeadroomEstimate: a load that goes up and down around the limit does not flap", () => {
  const loop = new Loop();
  loop.pass(10_000, { encoding: 1 });
  for (let round = 0; round < 20; round++) {
    loop.pass(5_000, { encoding: 0.9 });
    loop.pass(5_000, { encoding: 0.97 });
  }
  assert.deepEqual(loop.changes, ["busy 5"]);
});

Deno.test("measureHeadroom: shows what the turns and the loop leave, and logs the changes", async () => {
  const clock = new FakeClock();
  const meter = new RecordingMeter();
  const events: string[] = [];
  const log = {
    ...NULL_LOGGER,
    warn: (event: string) => void events.push(event),
    info: (event: string) => void events.push(event),
  };
  const turns = new EncodingTurns({ limit: 1, clock });
  using headroom = measureHeadroom({ turns, meter, log, clock });
  await clock.advance(1_000);
  assert.ok(!headroom.isBusy() && headroom.free() === 1);
  for (let second = 0; second < 8; second++) {
    const end = turns.take();
    await clock.advance(1_000);
    end?.();
  }
  assert.ok(headroom.isBusy());
  assert.deepEqual(events, ["server_busy"]);
  await clock.advance(6_000);
  assert.deepEqual([headroom.isBusy(), headroom.free()], [false, 1]);
  assert.deepEqual(events, ["server_busy", "server_not_busy"]);
  assert.equal(meter.value("headroom_ratio"), 1);
});
