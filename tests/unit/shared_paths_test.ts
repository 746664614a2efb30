import assert from "assert";
import { type SharedPath, SharedPaths } from "../../src/rate/shared_paths.ts";
import type { SharedRate } from "../../src/rate/shared_rate.ts";

const STEP_MS = 100;

/** A viewer whose rate changes only when the group says so, or the test. */
class FakeViewer implements SharedRate {
  isLimited = true;
  isDraining = false;
  settled = 0;
  explored = 0;
  /** Queue that only this viewer has. */
  ownMs = 0;
  /** What it has seen besides the queue. */
  leastDelayMs = 0;
  hiddenMs = 0;
  /** Part of its rate that it sends. */
  share = 1;
  targetKbps: number;
  readonly path: SharedPath;

  constructor(paths: SharedPaths, kbps = 0) {
    this.targetKbps = kbps;
    this.path = paths.join(this);
  }

  scale(factor: number): void {
    this.targetKbps *= factor;
  }

  yield(factor: number): void {
    this.targetKbps *= factor;
  }

  startAt(kbps: number): void {
    this.targetKbps = kbps;
  }

  settle(): void {
    this.settled++;
  }

  explore(): void {
    this.explored++;
  }
}

/** Viewers who send through one queue. */
class FakeTunnel {
  readonly paths = new SharedPaths();
  readonly viewers: FakeViewer[] = [];
  nowMs = 0;

  come(kbps: number): FakeViewer {
    const viewer = new FakeViewer(this.paths, kbps);
    this.viewers.push(viewer);
    viewer.path.begin(kbps, this.nowMs);
    return viewer;
  }

  pass(ms: number, each: () => void = () => {}): void {
    for (const endMs = this.nowMs + ms; this.nowMs < endMs; this.nowMs += STEP_MS) {
      each();
      const queueMs = 60 * Math.abs(2 * (this.nowMs % 2_000) / 2_000 - 1);
      for (const viewer of this.viewers) {
        viewer.path.arrived(queueMs + viewer.ownMs, this.nowMs);
        const { leastDelayMs } = viewer;
        const sentKbps = viewer.share * viewer.targetKbps;
        viewer.hiddenMs = viewer.path.reported({ sentKbps, leastDelayMs }, this.nowMs);
      }
    }
  }

  get rates(): number[] {
    return this.viewers.map(({ targetKbps }) => Math.round(targetKbps));
  }
}

/** Viewers with these rates, whose queue has shown that they share it. */
function tunnel(...rates: readonly number[]): FakeTunnel {
  const set = new FakeTunnel();
  for (const kbps of rates) {
    const viewer = set.come(kbps);
    viewer.isLimited = false;
  }
  set.pass(8_000);
  for (const viewer of set.viewers) viewer.isLimited = true;
  assert.deepEqual(set.paths.groupSizes, [rates.length]);
  return set;
}

Deno.test("SharedPaths: rates move to their mean, and their sum stays", () => {
  const { rates } = tunnel(900, 100, 200);
  assert.ok(rates.every((kbps) => Math.abs(kbps - 400) < 10), `${rates}`);
});

Deno.test("SharedPaths: a viewer without a path to compare keeps its rate", () => {
  const set = new FakeTunnel();
  const alone = set.come(700);
  set.pass(5_000);
  assert.deepEqual([alone.targetKbps, alone.path.viewers()], [700, 1]);
});

Deno.test("SharedPaths: a newcomer begins with its share, and so do the others from then on", () => {
  const set = tunnel(400, 400, 400);
  const newcomer = new FakeViewer(set.paths, 1_250);
  assert.equal(Math.round(newcomer.path.startKbps(1_250)), 300);
  assert.equal(newcomer.path.startKbps(100), 100);
  newcomer.path.begin(1_250, set.nowMs);
  set.viewers.push(newcomer);
  assert.deepEqual(set.rates, [300, 300, 300, 300]);
  assert.equal(newcomer.path.viewers(), 4);
});

Deno.test("SharedPaths: a newcomer begins as usual where nothing limits the others", () => {
  const set = tunnel(400, 400, 400);
  for (const viewer of set.viewers) viewer.isLimited = false;
  assert.equal(new FakeViewer(set.paths).path.startKbps(1_250), 1_250);
  assert.equal(set.come(1_250).path.viewers(), 1);
});

Deno.test("SharedPaths: a newcomer whose delays never agree is let go after six seconds", () => {
  const set = tunnel(400, 400);
  const newcomer = new FakeViewer(set.paths, 1_250);
  newcomer.path.begin(1_250, set.nowMs);
  set.pass(5_500);
  assert.deepEqual([newcomer.path.viewers(), newcomer.explored], [3, 0]);
  set.pass(1_500);
  assert.deepEqual([newcomer.path.viewers(), newcomer.explored], [1, 1]);
});

Deno.test("SharedPaths: the others get the share of one that leaves, once their queue is drained", () => {
  const set = tunnel(300, 300, 300);
  const [leaver] = set.viewers.splice(0, 1);
  for (const viewer of set.viewers) viewer.isDraining = true;
  leaver?.path.leave();
  set.pass(500);
  assert.deepEqual(set.rates, [300, 300]);
  for (const viewer of set.viewers) viewer.isDraining = false;
  set.pass(500);
  leaver?.path.leave();
  set.pass(500);
  assert.deepEqual(set.rates, [450, 450]);
  assert.deepEqual(set.paths.groupSizes, [2]);
});

Deno.test("SharedPaths: one that sends little keeps out of the mean, up to which it may rise", () => {
  const set = tunnel(400, 400, 400);
  const [idle] = set.viewers;
  assert.ok(idle !== undefined);
  idle.share = 0.1;
  set.pass(500, () => void (idle.targetKbps = 100));
  assert.deepEqual(set.rates, [100, 400, 400]);
  set.pass(3_000, () => void (idle.targetKbps = Math.max(idle.targetKbps, 600)));
  assert.deepEqual(set.rates.slice(1), [400, 400]);
});

for (const rates of [[400, 400, 400], [400, 400]]) {
  Deno.test(`SharedPaths: of ${rates.length}, one with a queue of its own leaves, and comes back later each time`, () => {
    const set = tunnel(...rates);
    const [own] = set.viewers;
    assert.ok(own !== undefined);
    const awayMs: number[] = [];
    for (let times = 0; times < 3; times++) {
      own.ownMs = 150;
      set.pass(2_000);
      assert.equal(own.path.viewers(), 1);
      own.ownMs = 0;
      const sinceMs = set.nowMs;
      while (own.path.viewers() === 1) set.pass(500);
      awayMs.push(set.nowMs - sinceMs);
    }
    const [first = 0, , third = 0] = awayMs;
    assert.ok(third > first + 4_000, `${awayMs}`);
  });
}

Deno.test("SharedPaths: one that comes does not make the others forget what they know of the path", () => {
  const set = tunnel(400, 400, 400);
  const before = set.viewers.map(({ settled }) => settled);
  const newcomer = set.come(300);
  set.pass(8_000);
  assert.equal(newcomer.path.viewers(), 4);
  // Nor does one that is found to share the path later.
  for (const viewer of set.viewers) viewer.isLimited = false;
  const found = set.come(300);
  assert.equal(found.path.viewers(), 1);
  set.pass(8_000);
  assert.equal(found.path.viewers(), 5);
  assert.deepEqual(set.viewers.slice(0, 3).map(({ settled }) => settled), before);
});

Deno.test("SharedPaths: what the others gave one that leaves at once comes back to them", () => {
  const set = tunnel(400, 400, 400);
  for (let times = 0; times < 5; times++) {
    const visitor = new FakeViewer(set.paths, 1_250);
    visitor.path.begin(1_250, set.nowMs);
    visitor.path.leave();
    set.pass(500);
  }
  assert.ok(Math.min(...set.rates) > 380, `${set.rates}`);
});

Deno.test("SharedPaths: one that is sent nothing, and reports nothing, keeps out of the mean", () => {
  const set = tunnel(400, 400, 400);
  const [silent] = set.viewers.splice(0, 1);
  assert.ok(silent !== undefined);
  set.pass(3_000);
  silent.targetKbps = 2_000;
  set.pass(3_000);
  assert.deepEqual(set.rates, [400, 400]);
});

Deno.test("SharedPaths: one that loses whatever the others give it leaves, and takes little with it", () => {
  const set = tunnel(400, 400, 400);
  const [loser] = set.viewers;
  assert.ok(loser !== undefined);
  set.pass(10_000, () => void (loser.targetKbps = 100));
  assert.equal(loser.path.viewers(), 1);
  assert.ok(Math.min(...set.rates.slice(1)) > 200, `${set.rates}`);
});

Deno.test("SharedPaths: one that never saw the path empty learns from the others how long the queue is", () => {
  const set = tunnel(400, 400);
  const [late] = set.viewers;
  assert.ok(late !== undefined);
  late.leastDelayMs = 250;
  set.pass(1_000);
  assert.ok(late.hiddenMs >= 200 && late.hiddenMs <= 250, `${late.hiddenMs}`);
  late.leastDelayMs = 1e9;
  set.pass(1_000);
  assert.equal(late.hiddenMs, 400);
  late.path.moved();
  set.pass(STEP_MS);
  assert.equal(late.hiddenMs, 0);
});

Deno.test("SharedPaths: one that was parted has no say in how long the queue is for a minute", () => {
  const set = tunnel(400, 400, 400);
  const [parted, other] = set.viewers;
  assert.ok(parted !== undefined && other !== undefined);
  parted.ownMs = 150;
  set.pass(2_000);
  assert.equal(parted.path.viewers(), 1);
  parted.ownMs = 0;
  // As of another path that it had before.
  parted.leastDelayMs = -300;
  set.pass(20_000);
  assert.equal(parted.path.viewers(), 3);
  assert.equal(other.hiddenMs, 0);
  set.pass(80_000);
  assert.ok(other.hiddenMs > 200, `${other.hiddenMs}`);
});

Deno.test("SharedPaths: of more than 256 viewers, the others are on their own", () => {
  const paths = new SharedPaths();
  const viewers = Array.from({ length: 300 }, () => new FakeViewer(paths, 500));
  for (const [at, viewer] of viewers.entries()) viewer.path.begin(500, at);
  for (let nowMs = 0; nowMs < 4_000; nowMs += STEP_MS) {
    const queueMs = 60 * Math.abs(2 * (nowMs % 2_000) / 2_000 - 1);
    for (const { path } of viewers) {
      path.arrived(queueMs, nowMs);
      path.reported({ sentKbps: 500, leastDelayMs: 0 }, nowMs);
    }
  }
  assert.deepEqual(paths.groupSizes, [256]);
  for (const { path } of viewers) path.leave();
  assert.deepEqual(paths.groupSizes, []);
});

Deno.test("SharedPaths: viewers by other ways do not keep the many behind them from being compared", () => {
  const paths = new SharedPaths();
  const viewers = Array.from({ length: 256 }, () => new FakeViewer(paths, 500));
  for (const viewer of viewers) {
    viewer.isLimited = false;
    viewer.path.begin(500, 0);
  }
  const wave = (nowMs: number, periodMs: number) =>
    60 * Math.abs(2 * (nowMs % periodMs) / periodMs - 1);
  for (let nowMs = 0; nowMs < 20_000; nowMs += STEP_MS) {
    for (const [at, { path }] of viewers.entries()) {
      path.arrived(at < 6 ? wave(nowMs, 700 + 400 * at) : wave(nowMs, 2_000), nowMs);
      path.reported({ sentKbps: 500, leastDelayMs: 0 }, nowMs);
    }
  }
  assert.ok(Math.max(0, ...paths.groupSizes) >= 200, `${paths.groupSizes}`);
});
