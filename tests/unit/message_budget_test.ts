import assert from "assert";
import { MessageBudget } from "../../src/session/message_budget.ts";

/** How many of so many messages get through at one moment. */
function through(budget: MessageBudget, options: { count: number; bytes: number; nowMs: number }) {
  let passed = 0;
  for (let n = 0; n < options.count; n++) {
    if (budget.take(options.bytes, options.nowMs)) passed++;
  }
  return passed;
}

Deno.test("MessageBudget: a burst is let through, a flood is not", () => {
  const budget = new MessageBudget();
  assert.equal(through(budget, { count: 1_000, bytes: 10, nowMs: 0 }), 240);
  assert.equal(through(budget, { count: 1_000, bytes: 10, nowMs: 1_000 }), 120);
});

Deno.test("MessageBudget: pointer moves at the pace of a screen always get through", () => {
  const budget = new MessageBudget();
  for (let frame = 0; frame < 6_000; frame++) {
    assert.ok(budget.take(80, frame * (1000 / 60)));
  }
});

Deno.test("MessageBudget: bytes count as well, and a long rest saves up no more than one burst", () => {
  const budget = new MessageBudget();
  assert.equal(through(budget, { count: 100, bytes: 65_536, nowMs: 0 }), 8);
  assert.equal(through(budget, { count: 100, bytes: 65_536, nowMs: 1_000 }), 4);
  assert.equal(through(budget, { count: 100, bytes: 65_536, nowMs: 3_600_000 }), 8);
});

Deno.test("MessageBudget: a clock that goes back gives nothing", () => {
  const budget = new MessageBudget();
  assert.equal(through(budget, { count: 300, bytes: 1, nowMs: 10_000 }), 240);
  assert.equal(through(budget, { count: 300, bytes: 1, nowMs: 0 }), 0);
});
