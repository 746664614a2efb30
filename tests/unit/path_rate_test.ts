import assert from "assert";
import type { RateLimits } from "../../src/rate/rate_controller.ts";
import { PathRate } from "../../src/rate/path_rate.ts";
import { Random } from "../support/random.ts";
import { SimulatedLink } from "../sim/link.ts";
import { feedbackOf } from "../sim/stream.ts";

const LIMITS = { floorKbps: 150, ceilingKbps: 2_500 } as const;
const FRAME_MS = 33;
const REPORT_MS = 100;
const PACKET_BYTES = 1_160;
const RETURN_MS = 20;

/** How a viewer fares for a while. */
interface Passage {
  /** To the viewer. Default: 20 ms. */
  readonly delayMs?: number;
  /** The viewer's clock is so far ahead. */
  readonly clockMs?: number;
  /** Whether the viewer reports. Default: yes. */
  readonly reports?: boolean;
}

/** A stream of video to a viewer, in virtual time; frames are left out while the path is full. */
class Watched {
  readonly rate: PathRate;
  nowMs = 0;
  /** When each frame was sent. */
  readonly framesMs: number[] = [];
  #waiting: { readonly number: number; readonly arrivesMs: number; readonly clockMs: number }[] =
    [];

  constructor(limits: RateLimits = LIMITS) {
    this.rate = new PathRate({ limits: () => limits, nowMs: 0 });
  }

  pass(ms: number, { delayMs = 20, clockMs = 0, reports = true }: Passage = {}): void {
    for (const untilMs = this.nowMs + ms; this.nowMs < untilMs; this.nowMs++) {
      if (this.nowMs % FRAME_MS === 0) this.#send(delayMs, clockMs);
      if (this.nowMs % REPORT_MS === 0 && reports) this.report();
    }
  }

  /** Tells of what has arrived. */
  report(): void {
    const hasArrived = ({ arrivesMs }: { arrivesMs: number }) =>
      arrivesMs + RETURN_MS <= this.nowMs;
    const arrived = this.#waiting.filter(hasArrived);
    this.#waiting = this.#waiting.filter((packet) => !hasArrived(packet));
    if (arrived.length === 0) return;
    const arrivals = arrived.map(({ number, arrivesMs, clockMs }) => ({
      sequenceNumber: number,
      receivedAtUs: Math.round(arrivesMs + clockMs) * 1000,
    }));
    this.rate.report(feedbackOf(arrivals), this.nowMs);
  }

  get targetKbps(): number {
    return this.rate.view.targetKbps;
  }

  #send(delayMs: number, clockMs: number): void {
    if (this.rate.isFull(this.nowMs)) return;
    this.framesMs.push(this.nowMs);
    const packets = Math.max(1, Math.round(this.targetKbps * FRAME_MS / 8 / PACKET_BYTES));
    for (let packet = 0; packet < packets; packet++) {
      const number = this.rate.sent(PACKET_BYTES, this.nowMs);
      this.#waiting.push({ number, arrivesMs: this.nowMs + delayMs, clockMs });
    }
  }
}

Deno.test("PathRate: it begins with half the ceiling, but no less than 1 Mbit/s, within the limits", () => {
  const start = (limits: RateLimits) =>
    new PathRate({ limits: () => limits, nowMs: 0 }).view.targetKbps;
  assert.equal(start({ floorKbps: 150, ceilingKbps: 2_500 }), 1_250);
  assert.equal(start({ floorKbps: 150, ceilingKbps: 1_200 }), 1_000);
  assert.equal(start({ floorKbps: 150, ceilingKbps: 400 }), 400);
  assert.equal(start({ floorKbps: 3_000, ceilingKbps: 5_000 }), 3_000);
});

Deno.test("PathRate: the queue is unknown before the first report", () => {
  const watched = new Watched();
  watched.pass(500, { reports: false });
  assert.equal(watched.rate.view.queueMs, undefined);
  watched.report();
  assert.equal(watched.rate.view.queueMs, 0);
});

Deno.test("PathRate: numbers count video and sound together, and begin anew after 16 bits", () => {
  const rate = new PathRate({ limits: () => LIMITS, nowMs: 0 });
  for (let number = 0; number < 70_000; number++) {
    assert.equal(rate.sent(number % 3 === 0 ? 0 : 1_000, number), number % 65_536);
  }
});

Deno.test("PathRate: a path is full when a quarter of a second more than the round trip is on its way", () => {
  const watched = new Watched();
  watched.pass(5_000, { delayMs: 80 });
  const { rate } = watched;
  assert.ok(!rate.isFull(watched.nowMs));
  const sinceMs = watched.nowMs;
  rate.sent(1_000, sinceMs);
  watched.report();
  const roundTripMs = 80 + RETURN_MS + REPORT_MS;
  // Something was always on its way, though no longer than the interval of reports.
  assert.ok(!rate.isFull(sinceMs + 250 - REPORT_MS));
  assert.ok(rate.isFull(sinceMs + 250 + roundTripMs));
});

Deno.test("PathRate: a full path is free as soon as the viewer tells of what was on its way", () => {
  const watched = new Watched();
  watched.pass(2_000);
  watched.pass(600, { reports: false });
  assert.ok(watched.rate.isFull(watched.nowMs));
  watched.report();
  assert.ok(!watched.rate.isFull(watched.nowMs));
});

Deno.test("PathRate: a viewer that never reported is never full", () => {
  const watched = new Watched();
  watched.pass(60_000, { reports: false });
  assert.equal(watched.framesMs.length, Math.ceil(60_000 / FRAME_MS));
});

Deno.test("PathRate: a viewer that falls silent is tried, ever less often, but every four seconds", () => {
  const watched = new Watched();
  watched.pass(5_000);
  watched.pass(1_000, { reports: false });
  const from = watched.framesMs.length;
  watched.pass(120_000, { reports: false });
  const tries = watched.framesMs.slice(from);
  const gapsMs = tries.slice(1).map((atMs, at) => atMs - (tries[at] ?? atMs));
  assert.ok(gapsMs.every((ms) => ms >= 500 && ms <= 4_000 + FRAME_MS), `${gapsMs}`);
  assert.ok(gapsMs.filter((ms) => ms < 1_000).length >= 3, `${gapsMs}`);
  assert.ok(tries.length < 40, `${tries.length} tries`);
});

Deno.test("PathRate: a silent path that lets a sender report through is open again, what waited is lost", () => {
  const watched = new Watched();
  watched.pass(5_000);
  watched.pass(20_000, { reports: false });
  const { rate, nowMs } = watched;
  assert.ok(rate.isFull(nowMs));
  // One that left before the frames that wait says nothing of them.
  rate.receiverReport({ roundTripMs: 50, lossRatio: 0, answersMs: 21_000 }, nowMs);
  assert.ok(rate.isFull(nowMs));
  rate.receiverReport({ roundTripMs: 50, lossRatio: 0, answersMs: 300 }, nowMs);
  assert.ok(!rate.isFull(nowMs));
});

Deno.test("PathRate: a viewer that reports again after a long silence gets every frame at once", () => {
  const watched = new Watched();
  watched.pass(5_000);
  watched.pass(60_000, { reports: false });
  watched.pass(1_000);
  const from = watched.framesMs.length;
  watched.pass(10_000);
  assert.ok(watched.framesMs.length - from >= 10_000 / FRAME_MS - 1);
  assert.equal(watched.targetKbps, LIMITS.ceilingKbps);
});

for (const name of ["longer", "shorter"] as const) {
  Deno.test(`PathRate: a viewer that moves to a ${name} way loses nothing by it`, () => {
    const [before, after] = name === "longer" ? [20, 150] : [150, 20];
    const watched = new Watched();
    watched.pass(5_000, { delayMs: before });
    // What the former way took is told of after the move.
    watched.rate.moved();
    assert.equal(watched.rate.view.queueMs, undefined);
    for (let second = 0; second < 30; second++) {
      watched.pass(1_000, { delayMs: after });
      assert.equal(watched.targetKbps, LIMITS.ceilingKbps, `${second} s after the move`);
    }
    assert.equal(watched.framesMs.length, Math.ceil(35_000 / FRAME_MS));
  });
}

Deno.test("PathRate: packets that the former way lost are not waited for", () => {
  const watched = new Watched();
  watched.pass(5_000);
  watched.pass(1_000, { reports: false });
  assert.ok(watched.rate.isFull(watched.nowMs));
  watched.rate.moved();
  assert.ok(!watched.rate.isFull(watched.nowMs));
  watched.pass(200, { reports: false });
  assert.ok(!watched.rate.isFull(watched.nowMs));
});

Deno.test("PathRate: a viewer's clock that is set, or whose 24 bits are used up, costs nothing", () => {
  // Reference times are 24 bits of 64 ms with a sign.
  const wrapMs = 2 ** 24 * 64;
  for (const jumpMs of [10_000, -10_000, 3.6e6, -3.6e6, 5e8, -wrapMs]) {
    const watched = new Watched();
    const clockMs = jumpMs === -wrapMs ? wrapMs / 2 - 5_000 : 0;
    watched.pass(5_000, { clockMs });
    for (let second = 0; second < 20; second++) {
      watched.pass(1_000, { clockMs: clockMs + jumpMs });
      const { targetKbps, queueMs } = watched.rate.view;
      assert.deepEqual([targetKbps, queueMs], [LIMITS.ceilingKbps, 0], `${jumpMs} ms, ${second} s`);
    }
  }
});

Deno.test("PathRate: on a path below the lowest rate, pictures come no later after many minutes", () => {
  const link = new SimulatedLink({ seed: 1, delayMs: 20, capacityKbps: () => 100 });
  const rate = new PathRate({ limits: () => LIMITS, nowMs: 0 });
  let waiting: { number: number; arrivesMs: number }[] = [];
  const latenciesMs: number[][] = Array.from({ length: 9 }, () => []);
  for (let nowMs = 0; nowMs < 9 * 60_000; nowMs++) {
    if (nowMs % FRAME_MS === 0 && !rate.isFull(nowMs)) {
      const number = rate.sent(600, nowMs);
      const arrivesMs = link.send(640, nowMs);
      assert.ok(arrivesMs !== undefined, "it never loses any");
      waiting.push({ number, arrivesMs });
      latenciesMs[Math.floor(nowMs / 60_000)]?.push(arrivesMs - nowMs);
    }
    if (nowMs % REPORT_MS > 0) continue;
    const arrived = waiting.filter(({ arrivesMs }) => arrivesMs + RETURN_MS <= nowMs);
    waiting = waiting.filter(({ arrivesMs }) => arrivesMs + RETURN_MS > nowMs);
    if (arrived.length === 0) continue;
    rate.report(
      feedbackOf(arrived.map(({ number, arrivesMs }) => ({
        sequenceNumber: number & 0xffff,
        receivedAtUs: Math.round(arrivesMs * 4) * 250,
      }))),
      nowMs,
    );
  }
  const middles = latenciesMs.map((each) => each.toSorted((a, b) => a - b)[each.length >> 1] ?? 0);
  const [, second = 0] = middles;
  assert.ok(middles.slice(1).every((ms) => ms < 1.2 * second && ms < 700), `${middles}`);
});

Deno.test("PathRate: receiver reports count until there are transport-wide ones", () => {
  const watched = new Watched();
  const { rate } = watched;
  rate.receiverReport({ roundTripMs: 50, lossRatio: 0, answersMs: 50 }, 0);
  assert.equal(rate.view.queueMs, 0);
  for (let nowMs = 1_000; nowMs <= 3_000; nowMs += 1_000) {
    rate.receiverReport({ roundTripMs: 450, lossRatio: 0, answersMs: 450 }, nowMs);
  }
  assert.equal(rate.view.queueMs, 400);
  assert.equal(watched.targetKbps, LIMITS.floorKbps, "nothing was sent that could have passed");
  watched.nowMs = 10_000;
  watched.pass(20_000);
  assert.equal(watched.targetKbps, LIMITS.ceilingKbps);
  rate.receiverReport({ roundTripMs: 60_000, lossRatio: 1, answersMs: 60_000 }, watched.nowMs);
  assert.deepEqual([watched.targetKbps, rate.view.queueMs], [LIMITS.ceilingKbps, 0]);
});

Deno.test("PathRate: whatever a viewer reports, its figures are numbers and its packets are numbered", () => {
  const random = new Random(11);
  for (let run = 0; run < 40; run++) {
    const rate = new PathRate({ limits: () => LIMITS, nowMs: 0 });
    let nowMs = 0;
    let clockUs = 0;
    for (let report = 0; report < 500; report++) {
      nowMs += random.pick([0, 0.1, 10, 100, 1_000, 1e6]);
      if (random.oneIn(40)) rate.moved();
      let last = 0;
      for (let packets = random.below(20); packets > 0; packets--) {
        last = rate.sent(random.pick([0, 1, 1_160]), nowMs);
      }
      const first = random.oneIn(4) ? random.below(0x1_0000) : Math.max(0, last - 20);
      clockUs = random.oneIn(10)
        ? random.between(-(2 ** 23), 2 ** 23) * 64_000
        : clockUs + random.pick([0, -250, 250, 64_000, -64_000]);
      const isLost = random.oneIn(5);
      const arrivals = Array.from({ length: random.pick([0, 1, 20, 8_192]) }, (_, at) => ({
        sequenceNumber: (first + at) & 0xffff,
        receivedAtUs: isLost || random.oneIn(8) ? undefined : clockUs,
      }));
      rate.report(feedbackOf(arrivals), nowMs);
      const { targetKbps, queueMs = 0 } = rate.view;
      assert.ok(targetKbps >= LIMITS.floorKbps && targetKbps <= LIMITS.ceilingKbps);
      // Nothing that is remembered is older than the whole run.
      assert.ok(queueMs >= 0 && queueMs <= nowMs + 100, `${queueMs} ms at ${nowMs}`);
    }
  }
});
