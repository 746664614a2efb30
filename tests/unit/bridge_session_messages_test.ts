import assert from "assert";
import { setUpBridgeSession as setUp } from "../support/renderers/bridge_session.ts";

Deno.test("BridgeSession.message: goes to a writer that reads, and is refused with the reason where it does not", async () => {
  const { session, port, types, fill } = setUp();
  assert.equal(session.message(new Uint8Array(1)), "no_writer");
  session.attach(port);
  assert.equal(session.message(new Uint8Array(65_536)), undefined);
  assert.equal(session.message(new Uint8Array(65_537)), "too_long");
  fill();
  assert.equal(session.message(new Uint8Array(1)), "not_read");
  assert.deepEqual(types(), ["open", "message"]);
  await session.close();
  assert.deepEqual(types(), ["open", "message", "close"]);
});

Deno.test("BridgeSession.pollMessage: gives messages in order, and keeps 64 of them at most", async () => {
  const { session, port, meter } = setUp();
  session.attach(port);
  const data = new Uint8Array(1);
  for (let count = 0; count < 70; count++) {
    data[0] = count;
    session.takeMessage(data);
  }
  const labels = { direction: "to_viewer", reason: "too_many" } as const;
  assert.equal(meter.value("messages_dropped_total", labels), 6);
  for (let count = 0; count < 64; count++) {
    assert.deepEqual(await session.pollMessage(), new Uint8Array([count]));
  }
  assert.equal(await session.pollMessage(), undefined);
});

Deno.test("BridgeSession.messagesDropped: the writer is told of all that were dropped, once a second", async () => {
  const { session, port, sent, clock, log } = setUp();
  session.attach(port);
  const told = () => sent.filter(({ type }) => type === "dropped");
  const picture = async (ms: number) => {
    const rendering = session.render(0);
    await clock.advance(ms);
    await rendering;
  };
  for (let count = 0; count < 70; count++) session.takeMessage(new Uint8Array(1));
  session.messagesDropped(4);
  await picture(100);
  assert.deepEqual(told(), [{ type: "dropped", session: 1, count: 10 }]);
  session.messagesDropped(1);
  await picture(500);
  session.messagesDropped(1);
  await picture(300);
  assert.equal(told().length, 1);
  await picture(200);
  await picture(100);
  assert.deepEqual(told().slice(1), [{ type: "dropped", session: 1, count: 2 }]);
  assert.deepEqual(log.all("renderer_messages_dropped"), [{ count: 10 }, { count: 2 }]);
  // What the former writer lost is no news for the next one.
  session.messagesDropped(1);
  session.detach();
  session.attach(port);
  await picture(2_000);
  assert.equal(told().length, 2);
});

Deno.test("BridgeSession.messagesDropped: a library has no way to hear of it, the log has", async () => {
  const { session, port, sent, log } = setUp({ pace: "server" });
  session.attach(port);
  session.messagesDropped(3);
  const rendering = session.render(0);
  session.takeIdle();
  await rendering;
  assert.deepEqual(sent.filter(({ type }) => type === "dropped"), []);
  assert.deepEqual(log.all("renderer_messages_dropped"), [{ count: 3 }]);
});
