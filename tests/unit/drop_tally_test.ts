import assert from "assert";
import { DropTally } from "../../src/session/drop_tally.ts";
import { FakeClock } from "../support/fake_clock.ts";

function setUp() {
  const clock = new FakeClock();
  const told: [count: number, reason: string][] = [];
  const tally = new DropTally<string>(clock, (count, reason) => told.push([count, reason]));
  return { clock, told, tally };
}

Deno.test("DropTally: tells of the first at once, then of all others once a second, with the latest reason", async () => {
  const { clock, told, tally } = setUp();
  tally.add("first");
  assert.deepEqual(told, [[1, "first"]]);
  for (let ms = 0; ms < 3_000; ms += 100) {
    tally.add(`at ${ms}`);
    await clock.advance(100);
  }
  assert.deepEqual(told, [[1, "first"], [10, "at 900"], [10, "at 1900"], [10, "at 2900"]]);
});

Deno.test("DropTally: after a quiet second it tells at once again, and keeps no timer", async () => {
  const { clock, told, tally } = setUp();
  tally.add("one");
  await clock.advance(1_000);
  assert.equal(clock.pending, 0);
  tally.add("two");
  assert.deepEqual(told, [[1, "one"], [1, "two"]]);
  tally.close();
  assert.equal(clock.pending, 0);
});

Deno.test("DropTally.close: tells nothing any more", async () => {
  const { clock, told, tally } = setUp();
  tally.add("one");
  tally.add("two");
  tally.close();
  await clock.advance(5_000);
  tally.add("three");
  assert.deepEqual(told, [[1, "one"]]);
});
