import assert from "assert";
import { ERROR_TABLE } from "../../src/signalling/refusals.ts";
import { CLIENT_MESSAGE_BYTES_MAX, REQUEST_BODY_WAIT_MS } from "../../src/signalling/limits.ts";
import { RECLAIM_AFTER_MS } from "../../src/session/viewer_state.ts";

const TEXT = await Deno.readTextFile(new URL("../../docs/whep.md", import.meta.url));
const REFUSALS = TEXT.split(/^## /m).find((section) => section.startsWith("Refusals\n")) ?? "";

Deno.test("docs/whep.md: has every code with its status", () => {
  const listed = [...REFUSALS.matchAll(/^\| `(\w+)` \| (\d{3}) \|/gm)];
  const actual = Object.entries(ERROR_TABLE);
  assert.deepEqual(
    Object.fromEntries(listed.map(([, code, status]) => [code, Number(status)])),
    Object.fromEntries(actual.map(([code, { httpStatus }]) => [code, httpStatus])),
  );
});

Deno.test("docs/whep.md: its limits are those of the code", () => {
  assert.ok(REFUSALS.includes(`more than ${CLIENT_MESSAGE_BYTES_MAX} bytes`));
  assert.ok(REFUSALS.includes(`within ${REQUEST_BODY_WAIT_MS / 1000} s`));
  // A sentence may be broken between any two words.
  const words = TEXT.replaceAll(/\s+/g, " ");
  assert.ok(words.includes(`after ${RECLAIM_AFTER_MS / 1000} s when another viewer needs it`));
});
