import assert from "assert";
import { CHECK_NAMES } from "../../src/doctor/result.ts";

const ROOT = new URL("../../", import.meta.url);

/** A fault of the tests over real frp: what is planted, and the line that has to come first. */
interface Planted {
  readonly name: string;
  readonly line: string;
}

/** Reads the tables of faults, which are literals. Those after which nothing is wrong are left out. */
async function readPlanted(): Promise<Planted[]> {
  const planted: Planted[] = [];
  for (const part of ["tunnel", "public", "host"]) {
    const url = new URL(`tests/frp/doctor_${part}_faults_test.ts`, ROOT);
    const text = await Deno.readTextFile(url);
    for (const entry of text.split(/(?=^ +name: "|^ +unusable\(")/m)) {
      const name = /^ +(?:name: |unusable\()"([^"]+)"/.exec(entry)?.[1];
      const [, status, check] = /\b(failed|warning): \{\s*check: "(\w+)"/.exec(entry) ?? [];
      if (name !== undefined && check !== undefined) {
        planted.push({ name, line: `${status} ${check}` });
      }
    }
  }
  return planted;
}

/** Rows of a table below a heading, by their first column. */
function rowsOf(document: string, heading: string): Map<string, string> {
  const section = document.split(/^## /m).find((part) => part.startsWith(`${heading}\n`)) ?? "";
  const rows = section.split("\n").filter((line) => line.startsWith("| ")).slice(2);
  return new Map(rows.map((row) => {
    const [, first = "", second = ""] = row.split(/(?<!\\)\|/).map((cell) => cell.trim());
    return [first, second];
  }));
}

const DOCUMENT = await Deno.readTextFile(new URL("docs/doctor.md", ROOT));

Deno.test("docs/doctor.md: has every check, in their order", () => {
  const told = [...rowsOf(DOCUMENT, "What it checks").keys()];
  assert.deepEqual(told, CHECK_NAMES.map((check) => `\`${check}\``));
});

Deno.test("docs/doctor.md: names the first line of each fault that is planted in the tests", async () => {
  const told = rowsOf(DOCUMENT, "What it names first");
  const planted = await readPlanted();
  assert.ok(planted.length >= 45, `${planted.length} faults`);
  const missing = planted.filter(({ name, line }) => told.get(name) !== `\`${line}\``);
  assert.deepEqual(missing, [], "rows that are missing, or say something else");
  assert.deepEqual(
    [...told.keys()].filter((name) => planted.every((each) => each.name !== name)),
    [],
  );
});
