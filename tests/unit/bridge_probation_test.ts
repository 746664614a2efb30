import assert from "assert";
import { Probation, QUARANTINE_MS } from "../../src/renderer/bridge/probation.ts";
import { FakeClock } from "../support/parts/fake_clock.ts";

interface Session {
  readonly id: string;
}

/** A library's process, of which a test says when it ends. */
function setUp() {
  const clock = new FakeClock();
  const opened: string[] = [];
  const probation = new Probation<Session>(clock, ({ id }) => opened.push(id));
  const sessions = new Map<string, Session>();
  const session = (id: string) => {
    const made = { id };
    sessions.set(id, made);
    probation.add(made);
    return made;
  };
  const close = (closed: Session) => {
    sessions.delete(closed.id);
    probation.remove(closed);
  };
  /** The process ends, and the next one begins. @returns Who went into quarantine, and who was opened at once. */
  const restart = () => {
    const culprit = probation.ended();
    if (culprit !== undefined) close(culprit);
    opened.length = 0;
    probation.begin(sessions.values());
    return { culprit: culprit?.id, opened: [...opened] };
  };
  /** Sessions answer, and their process lasts. */
  const prove = async (...proven: Session[]) => {
    for (const each of proven) probation.answered(each);
    await clock.advance(1_000);
  };
  probation.begin([]);
  return { clock, opened, probation, session, close, restart, prove };
}

Deno.test("Probation: the third process in a row that ends by one session puts it into quarantine", async () => {
  const { clock, session, restart, prove, probation, opened } = setUp();
  const good = session("good");
  await prove(good);
  session("bad");
  for (const culprit of [undefined, undefined, "bad"]) {
    assert.deepEqual(restart(), { culprit, opened: ["good"] });
    await prove(good);
    // By itself, when the others have proven themselves.
    assert.equal(opened.includes("bad"), culprit === undefined);
  }
  assert.ok(probation.isQuarantined("bad"));
  assert.ok(!probation.isQuarantined("good"));
  await clock.advance(QUARANTINE_MS);
  assert.ok(!probation.isQuarantined("bad"));
  // It has one try then.
  session("bad");
  assert.equal(restart().culprit, "bad");
  assert.ok(probation.isQuarantined("bad"));
});

Deno.test("Probation: of several that were opened together the one at fault is found", async () => {
  const { session, restart, prove, probation, opened } = setUp();
  const all = ["a", "bad", "c"].map(session);
  assert.deepEqual(restart(), { culprit: undefined, opened: ["a"] });
  await prove(...all.slice(0, 1));
  assert.deepEqual(opened, ["a", "bad"]);
  assert.deepEqual(restart(), { culprit: undefined, opened: ["a"] });
  // Whoever has not been opened yet is no longer suspected than it takes to prove itself.
  for (const each of all.filter(({ id }) => id !== "bad")) await prove(each);
  assert.equal(opened.at(-1), "bad");
  restart();
  for (const each of all.filter(({ id }) => id !== "bad")) await prove(each);
  assert.equal(restart().culprit, "bad");
  assert.ok(!probation.isQuarantined("a") && !probation.isQuarantined("c"));
});

Deno.test("Probation: an end that several may have caused is held against none of them", () => {
  const { session, restart } = setUp();
  session("first");
  session("second");
  // After the first end they are opened one by one, and only then it is the first one alone.
  const culprits = [restart(), restart(), restart(), restart()].map(({ culprit }) => culprit);
  assert.deepEqual(culprits, [undefined, undefined, undefined, "first"]);
});

Deno.test("Probation: a process that ends much later is nobody's fault", async () => {
  const { session, restart, prove } = setUp();
  const one = session("one");
  for (let times = 0; times < 10; times++) {
    await prove(one);
    assert.deepEqual(restart(), { culprit: undefined, opened: ["one"] });
  }
});

Deno.test("Probation: one good process clears the name", async () => {
  const { session, restart, prove } = setUp();
  const one = session("one");
  for (let times = 0; times < 10; times++) {
    assert.equal(restart().culprit, undefined);
    assert.equal(restart().culprit, undefined);
    await prove(one);
  }
});

Deno.test("Probation: a session that does not answer keeps suspects waiting for 30 s at most", async () => {
  const { clock, session, restart, opened } = setUp();
  session("stuck");
  session("other");
  assert.deepEqual(restart().opened, ["stuck"]);
  await clock.advance(29_000);
  assert.deepEqual(opened, ["stuck"]);
  await clock.advance(1_000);
  assert.deepEqual(opened, ["stuck", "other"]);
});

Deno.test("Probation: a session that closes makes way, and closing leaves no timer", () => {
  const { clock, session, close, restart, opened, probation } = setUp();
  const first = session("first");
  session("second");
  restart();
  close(first);
  assert.deepEqual(opened, ["first", "second"]);
  probation.close();
  assert.equal(clock.pending, 0);
});

Deno.test("Probation: names of viewers are forgotten, the oldest first", () => {
  const { session, close, restart, probation } = setUp();
  const strike = (id: string) => {
    const made = session(id);
    const { culprit } = restart();
    close(made);
    return culprit;
  };
  assert.deepEqual([strike("bad"), strike("bad"), strike("bad")], [undefined, undefined, "bad"]);
  for (let count = 0; count < 256; count++) strike(`other ${count}`);
  assert.ok(!probation.isQuarantined("bad"));
});
