import assert from "assert";
import { ERROR_TABLE } from "../../src/signalling/refusals.ts";
import * as limits from "../../src/signalling/limits.ts";

const REFERENCE = await Deno.readTextFile(new URL("../../docs/signalling.md", import.meta.url));

/** The rows of the table under a heading, cell by cell, without the table's own heading. */
function tableUnder(heading: string): string[][] {
  const section = REFERENCE.split(/^## /m).find((text) => text.startsWith(`${heading}\n`)) ?? "";
  const rows = section.split("\n").filter((line) => line.startsWith("| ")).slice(2);
  return rows.map((row) => row.split("|").slice(1, -1).map((cell) => cell.trim()));
}

Deno.test("ERROR_TABLE: has the close codes that the interfaces promise", () => {
  const closeCodes = Object.fromEntries(
    Object.entries(ERROR_TABLE).map(([code, { closeCode }]) => [code, closeCode]),
  );
  assert.deepEqual(closeCodes, {
    bad_message: 4400,
    bad_sdp: 4400,
    unsupported_codec: 4400,
    unknown_host: 4400,
    unauthorized: 4401,
    origin_not_allowed: 4403,
    no_such_viewer: 4404,
    session_full: 4429,
    no_free_port: 4429,
    too_many_offers: 4429,
    renderer_failed: 4500,
    internal: 4500,
    shutting_down: 1001,
  });
});

Deno.test("docs/signalling.md: lists exactly the codes of ERROR_TABLE", () => {
  const listed = tableUnder("Errors").map(([code, closeCode]) => [code, Number(closeCode)]);
  const actual = Object.entries(ERROR_TABLE).map(
    ([code, { closeCode }]) => [`\`${code}\``, closeCode],
  );
  assert.deepEqual(listed, actual);
});

Deno.test("docs/signalling.md: its limits are those of the code", () => {
  assert.deepEqual(tableUnder("Limits").map(([, limit]) => limit), [
    `${limits.CLIENT_MESSAGE_BYTES_MAX} bytes`,
    `${limits.PARAMS_BYTES_MAX} bytes`,
    `${limits.IDLE_NAME_CHARS_MAX} characters`,
    `${limits.CANDIDATE_CHARS_MAX} characters`,
    `${limits.QUEUED_MESSAGES_MAX}, and ${limits.QUEUED_BYTES_MAX} bytes together`,
    `${limits.CONNECTION_OFFERS.perSecond} a second, ${limits.CONNECTION_OFFERS.burst} at once`,
    `${limits.FIRST_MESSAGE_WAIT_MS / 1000} s`,
    `${limits.WEB_SOCKET_IDLE_S} s`,
    `${limits.RENDERER_BUFFERED_BYTES_MAX} bytes`,
    `${limits.BUFFERED_BYTES_MAX} bytes`,
    `${limits.WEB_SOCKETS_MAX}`,
  ]);
});
