import assert from "assert";
import { PATH_CHECKS } from "../../src/signalling/limits.ts";
import {
  PATH_ARRIVALS_MAX,
  PATH_CHECK_TTL_MS,
  PATH_CHECKS_MAX,
} from "../../src/transport/ice/path_probe.ts";
import { CHECK_NAMES } from "../../src/doctor/result.ts";

/** The rows of the last table under a heading, cell by cell, without the table's own heading. */
async function lastTable(file: string, heading: string): Promise<string[][]> {
  const text = await Deno.readTextFile(new URL(`../../docs/${file}`, import.meta.url));
  const section = text.split(/^## /m).find((part) => part.startsWith(`${heading}\n`)) ?? "";
  const tables = section.split("\n\n").filter((block) => block.startsWith("| "));
  const rows = tables.at(-1)?.trimEnd().split("\n").slice(2) ?? [];
  return rows.map((row) => row.split("|").slice(1, -1).map((cell) => cell.trim()));
}

Deno.test("docs/signalling.md: the limits of a path check are those of the code", async () => {
  const limits = (await lastTable("signalling.md", "Check the path")).map(([, limit]) => limit);
  assert.deepEqual(limits, [
    `${PATH_CHECK_TTL_MS / 1000} s`,
    `${PATH_CHECKS_MAX}`,
    `${PATH_CHECKS.perSecond} a second, ${PATH_CHECKS.burst} at once`,
    `${PATH_ARRIVALS_MAX}`,
  ]);
});

Deno.test("docs/doctor.md: explains every check, in the order in which they are told", async () => {
  const explained = (await lastTable("doctor.md", "What it checks")).map(([name]) => name);
  assert.deepEqual(explained, CHECK_NAMES.map((name) => `\`${name}\``));
});
