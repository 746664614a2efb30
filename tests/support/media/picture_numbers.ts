import assert from "assert";
import type { TestServer } from "../servers/test_server.ts";

/**
 * Fails where a picture of the test pattern is missing, or comes out of turn: of those from the first to the last, all
 * that the server did not count as dropped are there. On a quiet machine it drops none.
 * @param numbers Of the pictures, as the viewer got them.
 */
export async function assertEveryPicture(
  server: TestServer,
  numbers: readonly number[],
): Promise<void> {
  const shown = numbers.join(" ");
  for (const [at, number] of numbers.slice(1).entries()) {
    assert.ok(number > (numbers[at] ?? Infinity), `Out of turn: ${shown}`);
  }
  const all = (numbers.at(-1) ?? 0) - (numbers[0] ?? 0) + 1;
  const dropped = await server.metric("frames_dropped_total");
  const missing = all - numbers.length;
  assert.ok(missing <= dropped, `${missing} are missing, ${dropped} were dropped: ${shown}`);
}
