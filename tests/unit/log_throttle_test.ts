import assert from "assert";
import { LogThrottle } from "../../src/base/log_throttle.ts";
import { LogRecord } from "../support/bridge.ts";
import { FakeClock } from "../support/fake_clock.ts";

Deno.test("LogThrottle: writes so many of each event a second, and counts the rest in the next one", async () => {
  const clock = new FakeClock();
  const log = new LogRecord();
  const throttle = new LogThrottle(log.logger, clock, { perSecond: 2 });
  for (let count = 0; count < 5; count++) throttle.warn("flood", { count });
  throttle.warn("other", {});
  await clock.advance(999);
  throttle.warn("flood", { count: 5 });
  await clock.advance(1);
  throttle.warn("flood", { count: 6 });
  throttle.warn("flood", { count: 7 });
  await clock.advance(1_000);
  throttle.warn("flood", { count: 8 });
  assert.deepEqual(log.all("flood"), [
    { count: 0, suppressed: undefined },
    { count: 1, suppressed: undefined },
    { count: 6, suppressed: 4 },
    { count: 7, suppressed: undefined },
    { count: 8, suppressed: undefined },
  ]);
  assert.equal(log.all("other").length, 1);
});
