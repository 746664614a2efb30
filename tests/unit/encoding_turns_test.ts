import assert from "assert";
import { EncodingTurns } from "../../src/session/encoding_turns.ts";
import { NULL_LOGGER } from "../../src/base/log.ts";
import { FrameLoop } from "../../src/session/frame_loop.ts";
import type { VideoBranch } from "../../src/session/video_branch.ts";
import { openBranch } from "../support/parts/branch_set_up.ts";
import { FakeClock, settle } from "../support/parts/fake_clock.ts";
import { FakeSink } from "../support/parts/fake_peer.ts";
import { FakeEncoders, FakeSource, rawFrame } from "../support/parts/fake_source.ts";

const SESSIONS = 8;
const CORES = 2;
const FPS = 30;

/** Sessions with a loop and an encoder each, which together want more than the cores can compress. */
async function overload(
  { clock, turns, encodingMs }: { clock: FakeClock; turns: EncodingTurns; encodingMs: number },
) {
  const counts = { running: 0, mostRunning: 0, rendered: 0 };
  const sinks: FakeSink[] = [];
  const stop = new AbortController();
  const branches: VideoBranch[] = [];
  for (let index = 0; index < SESSIONS; index++) {
    const encoders = new FakeEncoders();
    const { branch, meter } = await openBranch(encoders, { clock, turns });
    encoders.latest.gate = async () => {
      counts.mostRunning = Math.max(counts.mostRunning, ++counts.running);
      await new Promise<void>((resolve) => clock.after(encodingMs, resolve));
      counts.running--;
    };
    const sink = new FakeSink();
    branch.add(sink);
    sinks.push(sink);
    branches.push(branch);
    const source = new FakeSource({ sessionId: "s", width: 16, height: 16, fps: FPS, params: {} });
    source.next = (timestampUs) => {
      counts.rendered++;
      return Promise.resolve({ status: "frame", frame: rawFrame(timestampUs) });
    };
    const loop = new FrameLoop({
      source,
      renderer: "fake",
      fps: FPS,
      clock,
      meter,
      log: NULL_LOGGER,
      timelineUs: () => clock.now() * 1000,
      pictures: {
        get fullBy() {
          return branch.fullBy;
        },
        get room() {
          return branch.room;
        },
        show: (frame) => frame.kind === "raw" ? branch.take(frame) : Promise.resolve(),
        hold() {},
        idle: () => Promise.resolve(),
      },
      message() {},
      signal: stop.signal,
    });
    void loop.run();
  }
  const end = async () => {
    stop.abort();
    const closed = Promise.all(branches.map((branch) => branch.close()));
    await clock.advance(SESSIONS * encodingMs);
    await closed;
  };
  return { sinks, counts, end };
}

// The cores carry 1 / 2.4 and 1 / 1.2 of what the sessions want.
for (const encodingMs of [20, 10]) {
  Deno.test(`EncodingTurns: sessions that want too much lose the same share, and the cores stay busy (${encodingMs} ms each)`, async () => {
    const clock = new FakeClock();
    const turns = new EncodingTurns({ limit: CORES, clock });
    const { sinks, counts, end } = await overload({ clock, turns, encodingMs });
    await clock.advance(1_500);
    const sent = sinks.map(({ frames }) => frames.length);
    const total = sent.reduce((sum, frames) => sum + frames, 0);
    assert.equal(counts.mostRunning, CORES);
    assert.ok(Math.max(...sent) - Math.min(...sent) <= 1, `${sent}`);
    assert.ok(total >= 0.95 * CORES * 1_500 / encodingMs, `${total}`);
    // What was left out was never rendered: of each session one picture is compressed and one waits.
    assert.ok(
      counts.rendered - total <= 2 * SESSIONS,
      `${counts.rendered} rendered, ${total} sent`,
    );
    assert.ok(turns.busyMs >= 0.95 * clock.now(), `${turns.busyMs}`);
    await end();
  });
}

Deno.test("EncodingTurns: a session that closes while it waits leaves its turn to the next", async () => {
  const clock = new FakeClock();
  const turns = new EncodingTurns({ limit: 1, clock });
  const first = turns.take();
  const waiting = await openBranch(new FakeEncoders(), { clock, turns });
  waiting.branch.add(new FakeSink());
  await waiting.show(1);
  const next = turns.wait();
  const closed = waiting.branch.close();
  first?.();
  await closed;
  assert.deepEqual(waiting.encoders.latest.encoded, []);
  assert.equal(turns.take(), undefined);
  (await next)();
  turns.take()?.();
});

Deno.test("EncodingTurns: an encoder that hangs holds its turn for 2 s only", async () => {
  const clock = new FakeClock();
  const turns = new EncodingTurns({ limit: 1, clock });
  const hung = turns.take();
  let isNext = false;
  void turns.wait().then(() => isNext = true);
  await clock.advance(1_900);
  assert.ok(!isNext);
  await clock.advance(200);
  assert.ok(isNext);
  hung?.();
  await settle();
  assert.equal(turns.take(), undefined, "an end that comes too late gives no second turn");
});

Deno.test("EncodingTurns.busyMs: the share of the time in which turns were taken", async () => {
  const clock = new FakeClock();
  const turns = new EncodingTurns({ limit: 2, clock });
  const one = turns.take();
  await clock.advance(100);
  assert.equal(turns.busyMs, 50);
  one?.();
  await clock.advance(100);
  assert.equal(turns.busyMs, 50);
});
