import assert from "assert";
import { RateClock } from "../../src/rate/encoder_rate.ts";

const FPS = 25;
const INTERVAL_US = 40_000;
const NOMINAL_KBPS = 800;

function openClock(): RateClock {
  return new RateClock({ fps: FPS, nominalKbps: NOMINAL_KBPS });
}

Deno.test("RateClock: at the nominal rate it tells the true intervals", () => {
  const clock = openClock();
  const told = [0, 40_000, 75_000, 120_000].map((us) => clock.tell(us, NOMINAL_KBPS));
  assert.deepEqual(told, [40_000, 80_000, 115_000, 160_000]);
});

Deno.test("RateClock: a picture's time follows the rate from one picture to the next", () => {
  const clock = openClock();
  const rates = [800, 400, 1600, 100];
  let before = 0;
  const intervals = rates.map((kbps, index) => {
    const told = clock.tell(index * INTERVAL_US, kbps);
    const interval = told - before;
    before = told;
    return interval;
  });
  assert.deepEqual(intervals, [40_000, 20_000, 80_000, 5_000]);
});

Deno.test("RateClock: a picture after a long still gets the bits of four, one in a bunch those of a quarter", () => {
  const clock = openClock();
  clock.tell(0, NOMINAL_KBPS);
  const afterStill = clock.tell(10_000_000, NOMINAL_KBPS);
  assert.equal(afterStill - INTERVAL_US, 4 * INTERVAL_US);
  assert.equal(clock.tell(10_000_001, NOMINAL_KBPS) - afterStill, INTERVAL_US / 4);
});

Deno.test("RateClock: its times always increase", () => {
  const clock = openClock();
  let before = 0;
  for (const timestampUs of [0, 0, 1, 1, -5]) {
    const told = clock.tell(timestampUs, 0.001);
    assert.ok(told > before, `${told} after ${before}`);
    before = told;
  }
});
