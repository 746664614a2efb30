import assert from "assert";
import {
  TCP_QUEUE_BYTES_MAX,
  TCP_QUEUE_MS_MAX,
  TCP_WRITE_BYTES_MAX,
} from "../../src/ports/limits.ts";
import { framedBytes } from "../../src/ports/rfc4571.ts";
import { SendQueue } from "../../src/ports/send_queue.ts";

const PACKET = new Uint8Array(1200);

function numbered(number: number): Uint8Array {
  return Uint8Array.of(number);
}

Deno.test("SendQueue: packets leave together in their order, and then nothing waits", () => {
  const queue = new SendQueue();
  for (const number of [1, 2, 3]) assert.equal(queue.push(numbered(number), 0), 0);
  assert.deepEqual(queue.take(), [1, 2, 3].map(numbered));
  assert.equal(queue.length, 0);
  assert.deepEqual(queue.take(), []);
});

Deno.test("SendQueue: one write holds whole packets up to its limit, the next goes on behind them", () => {
  const queue = new SendQueue();
  const perWrite = Math.floor(TCP_WRITE_BYTES_MAX / framedBytes(PACKET));
  for (let at = 0; at < perWrite + 1; at++) queue.push(PACKET, 0);
  assert.equal(queue.take().length, perWrite);
  assert.equal(queue.take().length, 1);
});

Deno.test("SendQueue: when the oldest waited too long, all that waits is dropped and the newest goes on", () => {
  const queue = new SendQueue();
  queue.push(numbered(1), 0);
  queue.push(numbered(2), TCP_QUEUE_MS_MAX - 1);
  assert.equal(queue.push(numbered(3), TCP_QUEUE_MS_MAX), 2);
  assert.equal(queue.push(numbered(4), TCP_QUEUE_MS_MAX), 0);
  assert.deepEqual(queue.take(), [numbered(3), numbered(4)]);
});

Deno.test("SendQueue: time counts for what still waits, not for what has left", () => {
  const queue = new SendQueue();
  queue.push(numbered(1), 0);
  queue.take();
  queue.push(numbered(2), TCP_QUEUE_MS_MAX - 1);
  assert.equal(queue.push(numbered(3), TCP_QUEUE_MS_MAX + 1), 0);
});

Deno.test("SendQueue: never holds more than its bytes, however much is pushed at once", () => {
  const queue = new SendQueue();
  const bytes = framedBytes(PACKET);
  const room = Math.floor(TCP_QUEUE_BYTES_MAX / bytes);
  for (let at = 0; at < room; at++) assert.equal(queue.push(PACKET, 0), 0);
  assert.equal(queue.push(PACKET, 0), room);
  assert.equal(queue.length, 1);
  // Bytes that left make room again.
  queue.take();
  for (let at = 0; at < room; at++) assert.equal(queue.push(PACKET, 0), 0);
});
