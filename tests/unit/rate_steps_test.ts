import assert from "assert";
import { RateSteps } from "../../src/rate/encoder_rate.ts";

const SECOND_US = 1_000_000;

/** The changes that come of a rate over time, 30 times a second. */
function changes(steps: RateSteps, kbpsAt: (seconds: number) => number, seconds: number) {
  const made: { readonly atS: number; readonly kbps: number }[] = [];
  for (let picture = 0; picture < 30 * seconds; picture++) {
    const atS = picture / 30;
    const kbps = steps.next(kbpsAt(atS), atS * SECOND_US);
    if (kbps !== undefined) made.push({ atS, kbps });
  }
  return made;
}

Deno.test("RateSteps: a fall is followed at once, and a further one half a second later", () => {
  const made = changes(new RateSteps(2500), (atS) => atS < 1 ? 2500 : atS < 1.2 ? 1000 : 500, 5);
  assert.deepEqual(made, [{ atS: 1, kbps: 1000 }, { atS: 1.5, kbps: 500 }]);
});

Deno.test("RateSteps: a rate that climbs for half a minute costs at most a step each three seconds", () => {
  const made = changes(new RateSteps(300), (atS) => 300 + 80 * atS, 30);
  assert.ok(made.length >= 5 && made.length <= 10, `${made.length} steps`);
  for (const [at, { atS }] of made.entries()) assert.ok(atS - (made[at - 1]?.atS ?? -3) >= 3);
  // Never a quarter below what would pass.
  for (const { atS, kbps } of made) assert.equal(kbps, 300 + 80 * atS);
});

Deno.test("RateSteps: what wanders about a rate costs nothing", () => {
  assert.deepEqual(changes(new RateSteps(1000), (atS) => 1000 + 120 * Math.sin(atS), 60), []);
});
