import assert from "assert";
import { StopOrders } from "../../src/cli/signals.ts";

Deno.test("StopOrders: the same signal within half a second is an echo, however often it comes", () => {
  const orders = new StopOrders();
  assert.ok(!orders.isStopping);
  assert.equal(orders.take("SIGINT", 1000), "stop");
  assert.ok(orders.isStopping);
  assert.equal(orders.take("SIGINT", 1001), "echo");
  assert.equal(orders.take("SIGINT", 1499), "echo");
  assert.equal(orders.take("SIGINT", 1500), "stop_at_once");
});

Deno.test("StopOrders: another signal is no echo", () => {
  const orders = new StopOrders();
  orders.take("SIGTERM", 0);
  assert.equal(orders.take("SIGINT", 1), "stop_at_once");
});
