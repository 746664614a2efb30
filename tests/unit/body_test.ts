import assert from "assert";
import { readBody } from "../../src/signalling/body.ts";
import { CLIENT_MESSAGE_BYTES_MAX, REQUEST_BODY_WAIT_MS } from "../../src/signalling/limits.ts";
import { ManualClock, settle } from "../support/parts/signalling_set_up.ts";

/** A request whose body comes as the stream gives it. */
function post(body: ReadableStream<Uint8Array<ArrayBuffer>> | string | null): Request {
  return new Request("http://h/", { method: "POST", body });
}

Deno.test("readBody: reads what fits, and nothing where there is nothing", async () => {
  const clock = new ManualClock();
  assert.equal(await readBody(post("v=0 é"), clock), "v=0 é");
  assert.equal(await readBody(post(null), clock), "");
  assert.equal(
    await readBody(post("x".repeat(CLIENT_MESSAGE_BYTES_MAX)), clock),
    "x".repeat(CLIENT_MESSAGE_BYTES_MAX),
  );
  assert.equal(clock.pending, 0);
});

Deno.test("readBody: a body that drips on and on is given up after its time", async () => {
  const clock = new ManualClock();
  let isCancelled = false;
  const body = new ReadableStream<Uint8Array<ArrayBuffer>>({
    start: (controller) => controller.enqueue(new Uint8Array([120])),
    cancel: () => void (isCancelled = true),
  });
  const read = readBody(post(body), clock);
  await settle();
  clock.advance(REQUEST_BODY_WAIT_MS);
  assert.deepEqual(await read, { failure: "too_slow" });
  assert.ok(isCancelled);
});

Deno.test("readBody: a body that grows too long is left, and one that breaks off is told apart", async () => {
  const clock = new ManualClock();
  const endless = new ReadableStream<Uint8Array<ArrayBuffer>>({
    pull: (controller) => controller.enqueue(new Uint8Array(65_536)),
  });
  assert.deepEqual(await readBody(post(endless), clock), { failure: "too_long" });
  const broken = new ReadableStream<Uint8Array<ArrayBuffer>>({
    pull: (controller) => controller.error(new Error("gone")),
  });
  assert.deepEqual(await readBody(post(broken), clock), { failure: "broken_off" });
  assert.equal(clock.pending, 0);
});

Deno.test("readBody: of a body in many small pieces none is kept", async () => {
  const text = "0123456789".repeat(1000);
  // The memory of all pieces is the same: one that was kept would have the last letter.
  const piece = new Uint8Array(1);
  let at = 0;
  const body = new ReadableStream<Uint8Array<ArrayBuffer>>({
    pull(controller) {
      if (at === text.length) return controller.close();
      piece[0] = text.charCodeAt(at++);
      controller.enqueue(piece);
    },
  }, { highWaterMark: 0 });
  assert.equal(await readBody(post(body), new ManualClock()), text);
});
