import assert from "assert";
import { Repetition } from "../../src/rate/repetition.ts";

const STEP_MS = 100;

class SetUp {
  readonly repetition = new Repetition();
  nowMs = 0;

  /** Measures the same loss for so long. @returns Whether packets are sent twice then. */
  lose(
    lossRatio: number,
    { forMs, isAffordable = true }: { forMs: number; isAffordable?: boolean },
  ): boolean {
    for (const untilMs = this.nowMs + forMs; this.nowMs < untilMs;) {
      this.nowMs += STEP_MS;
      this.repetition.update(lossRatio, { nowMs: this.nowMs, isAffordable });
    }
    return this.repetition.isOn;
  }
}

Deno.test("Repetition: much loss begins it at once, some after a second, little never", () => {
  assert.ok(new SetUp().lose(0.08, { forMs: STEP_MS }));
  const some = new SetUp();
  assert.ok(!some.lose(0.05, { forMs: 1_000 }));
  assert.ok(some.lose(0.05, { forMs: 200 }));
  assert.ok(!new SetUp().lose(0.04, { forMs: 60_000 }));
});

Deno.test("Repetition: it ends when both copies arrive for five seconds, not while some are lost twice", () => {
  const set = new SetUp();
  set.lose(0.1, { forMs: STEP_MS });
  assert.ok(set.lose(0.01, { forMs: 60_000 }), "a tenth of all copies is still lost");
  assert.ok(set.lose(0, { forMs: 4_500 }));
  assert.ok(!set.lose(0, { forMs: 1_000 }));
});

Deno.test("Repetition: a rate of which half is too little for pictures has no second copies", () => {
  const set = new SetUp();
  for (let report = 0; report < 50; report++) {
    assert.ok(!set.lose(0.1, { forMs: STEP_MS, isAffordable: false }));
  }
  assert.ok(set.lose(0.1, { forMs: 5_000 }));
  assert.ok(!set.lose(0.1, { forMs: STEP_MS, isAffordable: false }));
});
