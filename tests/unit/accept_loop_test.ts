import assert from "assert";
import { acceptAll } from "../../src/base/accept_loop.ts";
import { FakeClock, settle } from "../support/parts/fake_clock.ts";

/** Accepts what it is given, in order; then it is closed. */
function listenerOf(steps: readonly (number | Error)[]): { accept(): Promise<number> } {
  const rest = [...steps];
  return {
    accept() {
      const next = rest.shift() ?? new Deno.errors.BadResource("closed");
      return next instanceof Error ? Promise.reject(next) : Promise.resolve(next);
    },
  };
}

function failed(code: string): Error {
  return Object.assign(new Error(code), { code });
}

for (const code of ["EMFILE", "ENFILE", "ENOBUFS", "ENOMEM"]) {
  Deno.test(`acceptAll pauses for ${code}, reports it once, and goes on`, async () => {
    const clock = new FakeClock();
    const taken: number[] = [];
    const reported: unknown[] = [];
    const running = acceptAll(listenerOf([1, failed(code), failed(code), failed(code), 2]), {
      clock,
      signal: new AbortController().signal,
      take: (connection) => taken.push(connection),
      paused: (error) => reported.push(error),
    });
    await settle();
    assert.deepEqual(taken, [1]);
    for (let turn = 0; turn < 3; turn++) {
      await clock.advance(100);
      await settle();
    }
    await running;
    assert.deepEqual(taken, [1, 2]);
    assert.equal(reported.length, 1);
  });
}

Deno.test("acceptAll does not pause for connections that ended before", async () => {
  const taken: number[] = [];
  const dead = ["ENOTCONN", "ECONNABORTED", "ECONNRESET"].map(failed);
  await acceptAll(listenerOf([...dead, 1, ...dead, 2]), {
    clock: new FakeClock(),
    signal: new AbortController().signal,
    take: (connection) => taken.push(connection),
  });
  assert.deepEqual(taken, [1, 2]);
});
