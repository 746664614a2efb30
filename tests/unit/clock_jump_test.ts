import assert from "assert";
import type { Clock } from "../../src/base/clock.ts";
import { createLogSink } from "../../src/observability/log_sink.ts";
import { PathRate } from "../../src/rate/path_rate.ts";
import { RtpSession } from "../../src/transport/rtp/rtp_session.ts";
import { RtpStream } from "../../src/transport/rtp/rtp_stream.ts";
import { createSrtpSender } from "../../src/transport/rtp/srtp.ts";
import { FakeClock } from "../support/parts/fake_clock.ts";
import { RecordingMeter } from "../support/parts/recording_meter.ts";
import { type Joined, RegistrySetUp } from "../support/parts/registry_set_up.ts";

const HOUR_MS = 3_600_000;
/** Forward by what an RTCP round trip cannot be, and by what it could; back likewise. */
const JUMPS_MS = [5 * HOUR_MS, 7_000, -9 * HOUR_MS, -7_000] as const;

const KEYS = {
  profile: "aead_aes_128_gcm",
  masterKey: new Uint8Array(16),
  masterSalt: new Uint8Array(12),
} as const;

/** A clock whose wall time can be set, as NTP or an operator does; what it measures goes on. */
class SettableClock implements Clock {
  readonly #clock: FakeClock;
  #offsetMs = 0;

  constructor(clock: FakeClock = new FakeClock()) {
    this.#clock = clock;
  }

  now = () => this.#clock.now();
  wallMs = () => this.#clock.wallMs() + this.#offsetMs;
  after = (delayMs: number, fire: () => void) => this.#clock.after(delayMs, fire);
  advance = (ms: number) => this.#clock.advance(ms);

  /** Sets the wall clock forward, or back. */
  jump(ms: number): void {
    this.#offsetMs += ms;
  }
}

/** NTP time of a sender report (RFC 3550 §6.4.1) in milliseconds, and the middle 32 bits of it. */
function ntpOf(report: Uint8Array): { ms: number; compact: number } {
  const view = new DataView(report.buffer, report.byteOffset);
  const [seconds, fraction] = [view.getUint32(8), view.getUint32(12)];
  return {
    ms: seconds * 1000 + fraction / 2 ** 32 * 1000,
    compact: ((seconds << 16) | (fraction >>> 16)) >>> 0,
  };
}

/** A receiver report (RFC 3550 §6.4.2) that answers a sender report at once. */
function answerTo(report: Uint8Array, ssrc: number): Uint8Array {
  const view = new DataView(new ArrayBuffer(32));
  view.setUint32(0, 0x81c9_0007);
  view.setUint32(8, ssrc);
  view.setUint32(24, ntpOf(report).compact);
  return new Uint8Array(view.buffer);
}

Deno.test("clock that is set: sender reports go on evenly, and round trips stay what they are", async () => {
  const clock = new SettableClock();
  const meter = new RecordingMeter();
  const stream = new RtpStream({ payloadType: 96, clockRate: 90_000, clock, send() {} });
  const sent: Uint8Array[] = [];
  const session = new RtpSession({
    streams: [stream],
    cname: "test",
    pathRate: new PathRate({ limits: () => ({ floorKbps: 150, ceilingKbps: 2500 }), nowMs: 0 }),
    timelineUs: () => clock.now() * 1000,
    keyframeRequested() {},
    send: (packet) => sent.push(packet),
    clock,
    meter,
  });
  session.start({
    rtp: createSrtpSender(KEYS),
    protectRtcp: (compound) => compound,
    unprotectRtcp: (compound) => ({ compound, newest: true }),
  });
  for (const jumpMs of JUMPS_MS) {
    await clock.advance(1_000);
    const report = sent.at(-1) ?? assert.fail();
    clock.jump(jumpMs);
    await clock.advance(80);
    session.receive(answerTo(report, stream.ssrc));
    await clock.advance(920);
  }
  const times = sent.map((report) => ntpOf(report).ms);
  for (const [index, ms] of times.slice(1).entries()) {
    assert.ok(Math.abs(ms - (times[index] ?? 0) - 1_000) < 1, `${times}`);
  }
  const roundTrips = meter.observed("round_trip_seconds");
  assert.equal(roundTrips.length, JUMPS_MS.length);
  for (const seconds of roundTrips) assert.ok(Math.abs(seconds - 0.08) < 0.001, `${roundTrips}`);
  session.close();
});

Deno.test("clock that is set: nobody is lost or kept for it, and every timer waits as long as before", async () => {
  const inner = new FakeClock();
  const clock = new SettableClock(inner);
  await using setUp = new RegistrySetUp({ clock });
  const pass = (ms: number, ...alive: Joined[]) => passOn(inner, { ms, alive });
  const alive = await setUp.join("main");
  alive.peer.heardAtMs = clock.now();
  alive.peer.listener.secured();
  const silent = await setUp.join("other");
  silent.peer.heardAtMs = clock.now();
  silent.peer.listener.secured();
  for (const jumpMs of JUMPS_MS) {
    clock.jump(jumpMs);
    await pass(5_000, alive);
    assert.equal(alive.listener.states.at(-1), "connected");
    assert.equal(setUp.used, 2, "20 of the 30 seconds of the idle timeout have passed");
  }
  await pass(11_000, alive);
  assert.equal(silent.listener.states.at(-1), "failed");
  assert.equal(alive.listener.states.at(-1), "connected");
  assert.equal(setUp.used, 1);
});

/** Moves the time on while these viewers keep sending. */
async function passOn(
  clock: FakeClock,
  { ms, alive }: { ms: number; alive: readonly Joined[] },
): Promise<void> {
  for (let left = ms; left > 0; left -= 500) {
    for (const { peer } of alive) peer.heardAtMs = clock.now();
    await clock.advance(Math.min(500, left));
  }
}

Deno.test("clock that is set: log lines carry the new time", () => {
  const clock = new SettableClock();
  const lines: string[] = [];
  const sink = createLogSink({
    format: "json",
    level: "info",
    isTerminal: false,
    clock,
    write: (line) => lines.push(line),
  });
  sink.logger.info("before");
  for (const jumpMs of JUMPS_MS) {
    clock.jump(jumpMs);
    sink.logger.info("after");
  }
  const times = lines.map((line) => Date.parse(JSON.parse(line).ts));
  const jumps = times.slice(1).map((ms, index) => ms - (times[index] ?? 0));
  assert.deepEqual(jumps, [...JUMPS_MS]);
});
