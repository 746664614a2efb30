import assert from "assert";
import { type PacketFate, type PathEvidence, PathGauge } from "../../src/rate/path_gauge.ts";

const REPORT_MS = 100;
const PACKETS = 10;
const VIDEO_BYTES = 500;

/** What a stream meets for a while. */
interface Passage {
  /** One way. Default: 20 ms. */
  readonly delayMs?: (sentAtMs: number) => number;
  /** How far the viewer's clock is ahead. */
  readonly clockMs?: (atMs: number) => number;
  /** Every so many packets one is missing. Default: none. */
  readonly lostNth?: number;
}

/** A hundred packets a second, whose fates are reported ten times a second. */
class Stream {
  readonly gauge = new PathGauge();
  nowMs = 10_000;
  #evidence: PathEvidence | undefined;

  /** @returns What the last report told. */
  pass(ms: number, passage: Passage = {}): PathEvidence {
    const untilMs = this.nowMs + ms;
    while (this.nowMs < untilMs) this.#report(passage);
    return this.#evidence ?? assert.fail("nothing was told");
  }

  #report({ delayMs = () => 20, clockMs = () => 0, lostNth = PACKETS + 1 }: Passage): void {
    const fates = Array.from({ length: PACKETS }, (_, at): PacketFate => {
      const sentAtMs = this.nowMs + at * REPORT_MS / PACKETS;
      const arrivesMs = sentAtMs + delayMs(sentAtMs);
      const receivedAtMs = (at + 1) % lostNth === 0 ? undefined : arrivesMs + clockMs(arrivesMs);
      return { sentAtMs, receivedAtMs, videoBytes: VIDEO_BYTES };
    });
    this.nowMs += REPORT_MS;
    this.#evidence = this.gauge.read(fates, this.nowMs + delayMs(this.nowMs) + 20);
  }
}

for (
  const [name, clockMs] of [
    ["that agrees", 0],
    ["that is days ahead", 3e8],
    ["that is behind, below zero", -3e8],
  ] as const
) {
  Deno.test(`PathGauge: the queue is measured by a clock ${name}`, () => {
    const stream = new Stream();
    const on = { clockMs: () => clockMs };
    const empty = stream.pass(1_000, on);
    assert.ok(Math.abs(empty.queueMs) < 0.001, `${empty.queueMs}`);
    const { queueMs } = stream.pass(1_000, { ...on, delayMs: () => 140 });
    assert.ok(Math.abs(queueMs - 120) < 0.001, `${queueMs}`);
  });
}

for (const ppm of [200, -200]) {
  Deno.test(`PathGauge: a clock that runs ${ppm} ppm off shows no queue within an hour, and hides none`, () => {
    const stream = new Stream();
    const on = { clockMs: (atMs: number) => 5e6 + atMs * ppm / 1e6 };
    for (let minute = 0; minute < 60; minute++) {
      const { queueMs } = stream.pass(60_000, on);
      assert.ok(queueMs >= 0 && queueMs < 25, `${queueMs} ms after ${minute} minutes`);
    }
    const { queueMs } = stream.pass(1_000, { ...on, delayMs: () => 120 });
    assert.ok(queueMs > 95 && queueMs < 125, `${queueMs}`);
  });
}

Deno.test("PathGauge: a burst that is over within a quarter of a second is no queue", () => {
  const stream = new Stream();
  stream.pass(1_000);
  const burstAtMs = stream.nowMs;
  // Falls by a millisecond each millisecond: all of it arrives at once.
  const delayMs = (atMs: number) => 20 + Math.max(0, burstAtMs + 200 - atMs);
  for (let report = 0; report < 5; report++) {
    assert.ok(stream.pass(REPORT_MS, { delayMs }).queueMs < 25);
  }
});

Deno.test("PathGauge: a queue that stands is seen within a quarter of a second, and its end at once", () => {
  const stream = new Stream();
  stream.pass(1_000);
  const full = { delayMs: () => 100 };
  assert.equal(stream.pass(100, full).queueMs, 0);
  assert.equal(stream.pass(200, full).queueMs, 80);
  assert.equal(stream.pass(100).queueMs, 0);
});

Deno.test("PathGauge: a queue that grows at once needs no quarter of a second, and is refuted by what was not late", () => {
  const gauge = new PathGauge();
  /** Arrivals of ten packets, 15 ms apart, of those that were sent 5 ms apart. */
  const growing = (sentAtMs: number): PacketFate[] =>
    Array.from({ length: 10 }, (_, at) => ({
      sentAtMs: sentAtMs + 5 * at,
      receivedAtMs: sentAtMs + 20 + 15 * at,
      videoBytes: VIDEO_BYTES,
    }));
  const sentKbps = 800;
  gauge.read([{ sentAtMs: 900, receivedAtMs: 920, videoBytes: 0 }], 940, { sentKbps });
  const evidence = gauge.read(growing(1_000), 1_200, { sentKbps });
  assert.equal(evidence?.sudden, "begins");
  assert.equal(evidence?.queueMs, 90);
  assert.ok(Math.abs((evidence?.deliveredKbps ?? 0) - 8 * VIDEO_BYTES / 15) < 1);
  const late = [{ sentAtMs: 1_150, receivedAtMs: 1_300, videoBytes: 0 }];
  assert.equal(gauge.read(late, 1_320, { sentKbps })?.sudden, undefined);
  const punctual = (sentAtMs: number) => [{ sentAtMs, receivedAtMs: sentAtMs + 21, videoBytes: 0 }];
  assert.equal(gauge.read(punctual(1_190), 1_330, { sentKbps })?.sudden, "refuted");
  assert.equal(gauge.read(punctual(1_300), 1_350, { sentKbps })?.sudden, undefined);
});

Deno.test("PathGauge: a route that became longer is no queue any more after a minute", () => {
  const stream = new Stream();
  stream.pass(30_000);
  const longer = { delayMs: () => 100 };
  assert.equal(stream.pass(30_000, longer).queueMs, 80);
  assert.equal(stream.pass(40_000, longer).queueMs, 0);
});

for (
  const [name, jumpMs] of [["an hour ahead", 3.6e6], ["ten seconds ahead", 1e4], [
    "an hour back",
    -3.6e6,
  ]] as const
) {
  Deno.test(`PathGauge: a clock that is set ${name} is no queue, and what it measures goes on`, () => {
    const stream = new Stream();
    stream.pass(5_000, { clockMs: () => 1e7 });
    const on = { clockMs: () => 1e7 + jumpMs };
    for (let report = 0; report < 10; report++) {
      assert.equal(stream.pass(REPORT_MS, on).queueMs, 0);
    }
    const { queueMs, deliveredKbps } = stream.pass(2_000, { ...on, delayMs: () => 150 });
    assert.equal(queueMs, 130);
    assert.ok(deliveredKbps > 350 && deliveredKbps < 450, `${deliveredKbps}`);
  });
}

Deno.test("PathGauge: reports that overtake each other are all believed", () => {
  const fates = (sentAtMs: number, delayMs: number): PacketFate[] => [
    { sentAtMs, receivedAtMs: sentAtMs + delayMs, videoBytes: 0 },
  ];
  const gauge = new PathGauge();
  gauge.read(fates(1_000, 20), 1_050);
  gauge.read(fates(1_600, 120), 1_800);
  assert.equal(gauge.read(fates(1_500, 60), 1_810)?.queueMs, 40);
  assert.equal(gauge.read(fates(1_610, 120), 1_820)?.queueMs, 40);
});

Deno.test("PathGauge: what arrives is measured in kbit/s of video, lost packets and sound not counted", () => {
  const stream = new Stream();
  const isAbout = (kbps: number, { deliveredKbps }: PathEvidence) =>
    assert.ok(deliveredKbps > 0.9 * kbps && deliveredKbps <= kbps, `${deliveredKbps}`);
  isAbout(400, stream.pass(2_000));
  isAbout(200, stream.pass(2_000, { lostNth: 2 }));
  const sound = { sentAtMs: stream.nowMs, receivedAtMs: stream.nowMs + 20, videoBytes: 0 };
  const evidence = stream.gauge.read([sound], stream.nowMs + 40);
  isAbout(200, evidence ?? assert.fail());
});

Deno.test("PathGauge: loss is the share of a second, and unknown of fewer than twenty packets", () => {
  const fate = (isLost: boolean, at: number): PacketFate => ({
    sentAtMs: at,
    receivedAtMs: isLost ? undefined : at + 20,
    videoBytes: 0,
  });
  const few = Array.from({ length: 19 }, (_, at) => fate(at > 0, at));
  assert.equal(new PathGauge().read(few, 50)?.lossRatio, 0);
  const enough = Array.from({ length: 20 }, (_, at) => fate(at > 0, at));
  assert.equal(new PathGauge().read(enough, 50)?.lossRatio, 0.95);

  const stream = new Stream();
  assert.equal(stream.pass(2_000).lossRatio, 0);
  assert.equal(stream.pass(2_000, { lostNth: 5 }).lossRatio, 0.2);
  assert.equal(stream.pass(2_000).lossRatio, 0);
});

Deno.test("PathGauge: a report without arrivals tells nothing, but what is missing is not forgotten", () => {
  const gauge = new PathGauge();
  const lost = Array.from({ length: 30 }, (_, at) => ({
    sentAtMs: at,
    receivedAtMs: undefined,
    videoBytes: 100,
  }));
  assert.equal(gauge.read([], 50), undefined);
  assert.equal(gauge.read(lost, 60), undefined);
  const arrived = lost.map((fate) => ({ ...fate, receivedAtMs: fate.sentAtMs + 20 }));
  assert.equal(gauge.read(arrived, 70)?.lossRatio, 0.5);
});

Deno.test("PathGauge: a clock that stands still, or runs backwards, costs no memory and no time", () => {
  for (const stepMs of [0, -1, -1e-6]) {
    const gauge = new PathGauge();
    const endMs = performance.now() + 30_000;
    for (let report = 0; report < 50_000; report++) {
      const sentAtMs = 10 * report;
      const receivedAtMs = 1e6 + stepMs * report;
      const evidence = gauge.read([{ sentAtMs, receivedAtMs, videoBytes: 1 }], sentAtMs + 1);
      assert.ok(Number.isFinite(evidence?.queueMs));
      assert.ok(performance.now() < endMs, `after ${report} reports each costs too much`);
    }
  }
});
