import assert from "assert";
import { EncodedLoop } from "../../src/media/idle/encoded_loop.ts";
import type { SharedLoop } from "../../src/media/idle/encoded_loops.ts";
import { LoopPlayer, PAUSE_US_MAX, type PlayMoment } from "../../src/session/loop_player.ts";

const FPS = 10;
const FRAME_US = 1e6 / FPS;

/** A loop of three seconds that needs what it is allowed, and counts its users. */
class FakeLoop implements SharedLoop {
  readonly loop: EncodedLoop;
  readonly kbps: number;
  users = 0;

  constructor(kbps: number, { still = false }: { still?: boolean } = {}) {
    this.kbps = kbps;
    const everyUs = still ? 1e6 : FRAME_US;
    const units = Array.from({ length: still ? 10 : 30 }, (_, index) => ({
      data: new Uint8Array(index % 10 === 0 ? kbps * 125 / 4 : kbps * 125 / 12),
      keyframe: index % (still ? 5 : 10) === 0,
      startUs: index * everyUs,
    }));
    this.loop = new EncodedLoop(units, { still, durationUs: units.length * everyUs, fps: FPS });
  }

  use(): () => void {
    this.users++;
    return () => void this.users--;
  }
}

/** A player that is asked at each frame, and what it sent. */
class SetUp {
  readonly player: LoopPlayer;
  loops: FakeLoop[];
  /** Frames since the renderer fell idle. */
  frame = 0;
  moment: Partial<PlayMoment> = {};

  constructor(...loops: FakeLoop[]) {
    this.loops = loops;
    this.player = new LoopPlayer({
      best: (kbps) => this.loops.find(({ loop }) => loop.neededKbps <= kbps),
    });
  }

  /** Starts of what is sent in the next frames, in frames of the loop, `k` at keyframes; `live` while none is. */
  play(frames: number): string[] {
    return Array.from({ length: frames }, () => {
      const elapsedUs = this.frame++ * FRAME_US;
      const usual = { kbps: 1_000, isKeyframeDue: false, isFollowed: true, isBlocked: false };
      const nowMs = elapsedUs / 1000;
      const played = this.player.next({ elapsedUs, nowMs, ...usual, ...this.moment });
      if (played === undefined) return "live";
      return played.units.map(({ startUs, keyframe }) =>
        `${Math.round(startUs / FRAME_US)}${keyframe ? "k" : ""}`
      ).join("+");
    });
  }
}

const PAUSE_FRAMES = PAUSE_US_MAX / FRAME_US;

Deno.test("LoopPlayer: a pause is encoded by its session; then the loop takes over at the place of the idle pictures", () => {
  const set = new SetUp(new FakeLoop(800));
  assert.deepEqual(set.play(PAUSE_FRAMES), Array(PAUSE_FRAMES).fill("live"));
  assert.deepEqual(set.play(3), ["20k", "21", "22"]);
  assert.equal(set.loops[0]?.users, 1);
  set.player.stop();
  set.player.stop();
  assert.equal(set.loops[0]?.users, 0);
});

Deno.test("LoopPlayer: takes over at a keyframe only, where others see the stream", () => {
  const set = new SetUp(new FakeLoop(800));
  set.moment = { isKeyframeDue: true };
  set.frame = 5;
  assert.deepEqual(set.play(7), [...Array(5).fill("live"), "10k", "11"]);
});

Deno.test("LoopPlayer: a session that leaves out the moment of a keyframe begins with that all the same", () => {
  const set = new SetUp(new FakeLoop(800));
  set.frame = PAUSE_FRAMES - 1;
  assert.deepEqual(set.play(1), ["live"]);
  set.frame += 2;
  assert.deepEqual(set.play(2), ["20k+21+22", "23"]);
  set.player.stop();
  // Too late by more than is sent at once; and what was shown already does not come again.
  set.frame = PAUSE_FRAMES + 9;
  assert.deepEqual(set.play(1), ["live"]);
  set.frame += 5;
  assert.deepEqual(set.play(3), Array(3).fill("live"));
});

Deno.test("LoopPlayer: whom nobody shares it with begins at once, with the next keyframe, and goes on from there", () => {
  const set = new SetUp(new FakeLoop(800));
  set.frame = 5;
  set.moment = { isFollowed: false };
  const first = set.play(1);
  set.moment = {};
  assert.deepEqual([...first, ...set.play(2)], ["10k", "11", "12"]);
});

Deno.test("LoopPlayer: goes round with a keyframe at the seam", () => {
  const set = new SetUp(new FakeLoop(800));
  set.moment = { isFollowed: false };
  set.play(1);
  set.moment = {};
  set.play(27);
  assert.deepEqual(set.play(4), ["28", "29", "0k", "1"]);
  assert.ok(!set.play(300).includes("live"));
});

Deno.test("LoopPlayer: what a late session missed is made up for; more than that goes on from a keyframe", () => {
  const set = new SetUp(new FakeLoop(800));
  set.moment = { isFollowed: false };
  set.play(1);
  set.moment = {};
  set.frame += 2;
  assert.deepEqual(set.play(1), ["1+2+3"]);
  set.frame += 3;
  set.play(1);
  set.frame += 9;
  assert.deepEqual(set.play(4), ["", "", "", "20k"]);
});

Deno.test("LoopPlayer: while the path is full nothing is sent, and what follows is a keyframe", () => {
  const set = new SetUp(new FakeLoop(800));
  set.moment = { isFollowed: false };
  set.play(3);
  set.moment = { isBlocked: true };
  assert.equal(set.player.next({ ...PLAYED_AT_3, isBlocked: true })?.leftOut, 1);
  set.play(2);
  set.moment = {};
  assert.deepEqual(set.play(7), ["", "", "", "", "", "10k", "11"]);
});

Deno.test("LoopPlayer: a loop that does not fit any more gives way to a smaller one at a keyframe", () => {
  const [large, small] = [new FakeLoop(800), new FakeLoop(400)];
  const set = new SetUp(large, small);
  set.moment = { isFollowed: false };
  set.play(1);
  set.moment = { kbps: 500 };
  set.play(9);
  assert.deepEqual([large.users, small.users], [1, 0]);
  assert.deepEqual(set.play(2), ["10k", "11"]);
  assert.deepEqual([large.users, small.users], [0, 1]);
});

Deno.test("LoopPlayer: a better loop is shown when it has fitted for three seconds", () => {
  const [large, small] = [new FakeLoop(800), new FakeLoop(400)];
  const set = new SetUp(large, small);
  set.moment = { isFollowed: false, kbps: 500 };
  set.play(1);
  set.moment = {};
  set.play(30);
  assert.deepEqual([large.users, small.users], [0, 1]);
  set.play(10);
  assert.deepEqual([large.users, small.users], [1, 0]);
});

Deno.test("LoopPlayer: where no loop is as small as the path, the session encodes again, though not for a moment's drain", () => {
  const set = new SetUp(new FakeLoop(800));
  set.moment = { isFollowed: false };
  set.play(1);
  set.moment = { kbps: 300 };
  assert.ok(!set.play(4).includes("live"));
  set.moment = {};
  set.play(1);
  set.moment = { kbps: 300 };
  assert.ok(!set.play(5).includes("live"));
  assert.deepEqual(set.play(2), ["live", "live"]);
  assert.equal(set.loops[0]?.users, 0);
});

Deno.test("LoopPlayer: a still is sent once and refreshed each second, and again at once for who needs it", () => {
  const set = new SetUp(new FakeLoop(800, { still: true }));
  set.play(PAUSE_FRAMES);
  assert.deepEqual(set.play(1), ["50k"]);
  const shown = set.play(20);
  assert.deepEqual(shown.filter((sent) => sent !== ""), ["60", "70"]);
  set.moment = { isKeyframeDue: true };
  assert.deepEqual(set.play(1), ["0k"], "another one than before");
  set.moment = {};
  assert.deepEqual(set.play(12).filter((sent) => sent !== ""), ["10"]);
});

Deno.test("LoopPlayer: a still that is on costs a slow path nothing, and is left when a keyframe of it would", () => {
  const set = new SetUp(new FakeLoop(800, { still: true }));
  set.moment = { isFollowed: false };
  set.play(1);
  set.moment = { kbps: 100 };
  assert.ok(!set.play(20).includes("live"));
  set.moment = { kbps: 100, isKeyframeDue: true };
  assert.deepEqual(set.play(1), ["live"]);
});

/** A fourth moment of a loop that is followed. */
const PLAYED_AT_3: PlayMoment = {
  elapsedUs: 3 * FRAME_US,
  nowMs: 300,
  kbps: 1_000,
  isKeyframeDue: false,
  isFollowed: true,
  isBlocked: false,
};
