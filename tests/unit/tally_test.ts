import assert from "assert";
import { Tally } from "../../src/base/tally.ts";
import { FakeClock } from "../support/parts/fake_clock.ts";

function setUp() {
  const clock = new FakeClock();
  const told: [count: number, reason: string][] = [];
  const tally = new Tally<string>(clock, (count, reason) => told.push([count, reason]));
  return { clock, told, tally };
}

Deno.test("Tally: tells of the first at once, then of all others once a second, with the latest reason", async () => {
  const { clock, told, tally } = setUp();
  tally.add("first");
  assert.deepEqual(told, [[1, "first"]]);
  for (let ms = 0; ms < 3_000; ms += 100) {
    tally.add(`at ${ms}`);
    await clock.advance(100);
  }
  assert.deepEqual(told, [[1, "first"], [10, "at 900"], [10, "at 1900"], [10, "at 2900"]]);
});

Deno.test("Tally: after a quiet second it tells at once again, and keeps no timer", async () => {
  const { clock, told, tally } = setUp();
  tally.add("one");
  await clock.advance(1_000);
  assert.equal(clock.pending, 0);
  tally.add("two");
  assert.deepEqual(told, [[1, "one"], [1, "two"]]);
  tally.close();
  assert.equal(clock.pending, 0);
});

Deno.test("Tally.close: tells nothing any more", async () => {
  const { clock, told, tally } = setUp();
  tally.add("one");
  tally.add("two");
  tally.close();
  await clock.advance(5_000);
  tally.add("three");
  assert.deepEqual(told, [[1, "one"]]);
});

Deno.test("Tally: a rate of its own, and amounts that add up", async () => {
  const clock = new FakeClock();
  const told: [count: number, reason: string][] = [];
  const tell = (count: number, reason: string) => void told.push([count, reason]);
  const tally = new Tally<string>(clock, tell, { perSecond: 1 / 10, burst: 2 });
  for (const [at, amount] of [20, 30, 40, 50].entries()) tally.add(`${at}`, amount);
  assert.deepEqual(told, [[20, "0"], [30, "1"]]);
  await clock.advance(9_999);
  assert.equal(told.length, 2);
  await clock.advance(1);
  assert.deepEqual(told.at(-1), [90, "3"]);
  assert.equal(clock.pending, 0);
});

Deno.test("Tally.flush: what is held back is told at once, and once", async () => {
  const { clock, told, tally } = setUp();
  tally.flush();
  for (const reason of ["one", "two", "three"]) tally.add(reason);
  tally.flush();
  tally.flush();
  assert.deepEqual(told, [[1, "one"], [2, "three"]]);
  await clock.advance(5_000);
  assert.deepEqual([told.length, clock.pending], [2, 0]);
});
