/**
 * `deno task setup`: installs and builds what the tests use, and says what is missing and how to get it. Arguments name
 * parts of it. Tests whose need is missing are skipped by name, so only the packages and the compiler fail the setup.
 */
import { type Need, NEEDS, prepare } from "./support/machine/needs.ts";

/** Without these no suite runs as a whole. */
const REQUIRED: ReadonlySet<Need> = new Set(["packages", "compiler"]);

function say(line: string): void {
  Deno.stdout.writeSync(new TextEncoder().encode(`${line}\n`));
}

const unknown = Deno.args.filter((name) => !(NEEDS as readonly string[]).includes(name));
if (unknown.length > 0) {
  say(`Unknown: ${unknown.join(", ")}. Usage: deno task setup [${NEEDS.join("] [")}]`);
  Deno.exit(2);
}
const needs = Deno.args.length === 0 ? NEEDS : Deno.args as Need[];
let code = 0;
let absent = 0;
for (const need of needs) {
  const { found, missing } = await prepare([need], say);
  for (const line of found) say(`ok       ${line}`);
  for (const line of missing) say(`missing  ${line}`);
  absent += missing.length;
  if (missing.length > 0 && REQUIRED.has(need)) code = 1;
}
say(absent === 0 ? "Everything is there" : `${absent} missing: tests that need it are skipped`);
Deno.exit(code);
