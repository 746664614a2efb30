import assert from "assert";
import { EncodingTurns } from "../../src/session/encoding_turns.ts";
import { openBranch } from "../support/parts/branch_set_up.ts";
import { FakeClock, settle } from "../support/parts/fake_clock.ts";
import { FakeSink } from "../support/parts/fake_peer.ts";
import { FakeEncoders } from "../support/parts/fake_source.ts";

const SESSIONS = 8;
const CORES = 2;
const ENCODING_MS = 20;
const TICK_MS = 33;

/** Sessions that want more than the cores can compress; each is one that has its own encoder. */
async function overload(clock: FakeClock, turns: EncodingTurns) {
  let running = 0;
  const most = { running: 0 };
  const sessions = [];
  for (let index = 0; index < SESSIONS; index++) {
    const encoders = new FakeEncoders();
    const session = await openBranch(encoders, { clock, turns });
    encoders.latest.gate = async () => {
      most.running = Math.max(most.running, ++running);
      await new Promise<void>((resolve) => clock.after(ENCODING_MS, resolve));
      running--;
    };
    const sink = new FakeSink();
    session.branch.add(sink);
    sessions.push({ ...session, sink });
  }
  return { sessions, most };
}

Deno.test("EncodingTurns: sessions that want too much lose the same share, and the cores stay busy", async () => {
  const clock = new FakeClock();
  const turns = new EncodingTurns({ limit: CORES, clock });
  const { sessions, most } = await overload(clock, turns);
  let taken = 0;
  for (let ms = 0; ms < 1_500; ms++) {
    for (const [index, { branch, show }] of sessions.entries()) {
      if (ms % TICK_MS !== index || branch.isFull) continue;
      taken++;
      await show(ms * 1000);
    }
    await clock.advance(1);
  }
  const sent = sessions.map(({ sink }) => sink.frames.length);
  assert.equal(most.running, CORES);
  assert.ok(Math.max(...sent) - Math.min(...sent) <= 1, `${sent}`);
  const total = sent.reduce((sum, frames) => sum + frames, 0);
  assert.ok(total >= 0.95 * CORES * 1_500 / ENCODING_MS, `${total}`);
  // What was left out was never taken: of each session one picture is compressed and one waits.
  assert.ok(taken - total <= 2 * SESSIONS, `${taken} taken, ${total} sent`);
  assert.ok(turns.busyMs >= 0.95 * clock.now(), `${turns.busyMs}`);
  const closed = Promise.all(sessions.map(({ branch }) => branch.close()));
  await clock.advance(SESSIONS * ENCODING_MS);
  await closed;
});

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
