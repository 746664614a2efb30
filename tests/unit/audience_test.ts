import assert from "assert";
import { Audience } from "../../src/session/audience.ts";
import { FakeSink } from "../support/parts/fake_peer.ts";

const FRAME_MS = 50;

/** An audience that is sent twenty frames a second, named by the time at which they are. */
class SetUp {
  readonly audience = new Audience();
  nowMs = 0;

  /** Viewers, in their order. */
  watch(count: number): FakeSink[] {
    const sinks = Array.from({ length: count }, () => new FakeSink());
    for (const sink of sinks) this.audience.add(sink);
    return sinks;
  }

  /** @returns How many were left out from this frame on. */
  send({ keyframe = false }: { keyframe?: boolean } = {}): number {
    this.nowMs += FRAME_MS;
    const info = { timestampUs: this.nowMs * 1000, keyframe };
    return this.audience.send([Uint8Array.of(1)], info, this.nowMs);
  }

  /** Frames, no keyframe among them, for so long. @returns How many were left out on the way. */
  pass(ms: number): number {
    let leftOut = 0;
    for (const untilMs = this.nowMs + ms; this.nowMs < untilMs;) leftOut += this.send();
    return leftOut;
  }
}

/** How many frames a viewer got. */
const framesOf = (sink: FakeSink | undefined): number => sink?.frames.length ?? Number.NaN;

Deno.test("Audience: who missed a frame, if only one, goes on from a keyframe", () => {
  const set = new SetUp();
  const [one, two] = set.watch(2);
  assert.ok(one !== undefined && two !== undefined);
  two.isReached = false;
  assert.equal(set.send({ keyframe: true }), 1, "not even its first frame");
  two.isReached = true;
  assert.ok(set.audience.hasReturned);
  set.send();
  assert.equal(framesOf(two), 0);
  set.send({ keyframe: true });
  set.send();
  assert.equal(framesOf(two), 2);
  one.isReached = false;
  assert.equal(set.send(), 1);
  one.isReached = true;
  assert.equal(set.send(), 0);
  assert.deepEqual([framesOf(one), framesOf(two)], [4, 4]);
  set.send({ keyframe: true });
  assert.deepEqual([framesOf(one), framesOf(two)], [5, 5]);
});

Deno.test("Audience: the rate is that of the slowest path, and of nobody without viewers", () => {
  const [audience, one, two] = [new Audience(), new FakeSink(), new FakeSink()];
  assert.equal(audience.targetKbps, undefined);
  [one.targetKbps, two.targetKbps] = [800, 300];
  audience.add(one);
  assert.equal(audience.targetKbps, 800);
  audience.add(two);
  assert.equal(audience.targetKbps, 300);
  audience.remove(two);
  assert.deepEqual([audience.targetKbps, audience.size], [800, 1]);
});

Deno.test("Audience: a frame is for nobody only while all paths are full", () => {
  const set = new SetUp();
  assert.ok(!set.audience.isBlocked, "without viewers nothing is late");
  const [one, two] = set.watch(2);
  assert.ok(one && two);
  one.isFull = true;
  assert.ok(!set.audience.isBlocked);
  two.isFull = true;
  assert.ok(set.audience.isBlocked);
});

Deno.test("Audience: who comes begins with a keyframe", () => {
  const set = new SetUp();
  const [sink] = set.watch(1);
  set.send();
  assert.equal(framesOf(sink), 0);
  set.send({ keyframe: true });
  set.send();
  assert.equal(framesOf(sink), 2);
});

Deno.test("Audience: a path that is full for half a second costs its viewer nothing", () => {
  const set = new SetUp();
  const [one, two] = set.watch(2);
  assert.ok(one && two);
  set.send({ keyframe: true });
  one.isFull = true;
  assert.equal(set.pass(500), 0);
  one.isFull = false;
  assert.equal(set.pass(500), 0);
  assert.deepEqual(framesOf(one), framesOf(two));
  assert.ok(!set.audience.hasReturned);
});

Deno.test("Audience: a path that stays full leaves its viewer out once, and nobody else", () => {
  const set = new SetUp();
  const [one, two] = set.watch(2);
  assert.ok(one && two);
  set.send({ keyframe: true });
  one.isFull = true;
  assert.equal(set.pass(5_000), 1);
  assert.ok(framesOf(one) <= 1 + 550 / FRAME_MS, `${framesOf(one)}`);
  assert.equal(framesOf(two), 101);
  set.send({ keyframe: true });
  assert.equal(one.frames.filter(({ keyframe }) => keyframe).length, 1, "not while it is full");
});

Deno.test("Audience: who was left out goes on with the next keyframe once its path is free", () => {
  const set = new SetUp();
  const [one, two] = set.watch(2);
  assert.ok(one && two);
  set.send({ keyframe: true });
  one.isFull = true;
  set.pass(2_000);
  assert.ok(!set.audience.hasReturned);
  one.isFull = false;
  assert.ok(set.audience.hasReturned);
  const before = framesOf(one);
  set.pass(200);
  assert.equal(framesOf(one), before, "what comes before a keyframe cannot be decoded");
  set.send({ keyframe: true });
  assert.ok(!set.audience.hasReturned);
  set.send();
  assert.equal(framesOf(one), before + 2);
});

Deno.test("Audience: who leaves is waited for no more", () => {
  const set = new SetUp();
  const [one, two] = set.watch(2);
  assert.ok(one && two);
  set.send({ keyframe: true });
  one.isFull = true;
  set.pass(1_000);
  one.isFull = false;
  set.audience.remove(one);
  assert.ok(!set.audience.hasReturned);
  assert.equal(set.audience.size, 1);
});

Deno.test("Audience: who takes no pictures at present is neither sent any nor waited for", () => {
  const setUp = new SetUp();
  const { audience } = setUp;
  const [paused, other] = setUp.watch(2);
  assert.ok(paused && other);
  setUp.send({ keyframe: true });
  [paused.targetKbps, paused.isFull, paused.isPaused, other.targetKbps] = [50, true, true, 300];
  assert.deepEqual([audience.targetKbps, audience.isBlocked, audience.size], [300, false, 2]);
  setUp.pass(1_000);
  assert.equal(framesOf(paused), 1);
  [paused.isFull, paused.isPaused] = [false, false];
  // What it would be sent builds upon pictures that it never got.
  setUp.send();
  assert.equal(framesOf(paused), 1);
  setUp.send({ keyframe: true });
  setUp.send();
  assert.equal(framesOf(paused), 3);
  for (const sink of [paused, other]) sink.isPaused = true;
  assert.deepEqual([audience.isWatching, audience.isBlocked, audience.targetKbps], [
    false,
    false,
    undefined,
  ]);
});
