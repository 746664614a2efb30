/**
 * `deno task test`: gets ready what the suites need, runs them, and ends with one line of counts. Arguments go on to
 * `deno test`: paths of test files, or options such as `--filter`.
 */
import { browserAdvice, BROWSERS, findBrowser } from "./support/browser.ts";
import { findFrp, frpAdvice } from "./support/frp_programs.ts";

/** Suites in the order of their speed, so that a simple mistake shows at once. */
const SUITES = [
  "tests/tree",
  "tests/unit",
  "tests/fuzz",
  "tests/integration",
  "tests/browser",
  "tests/frp",
];

const ROOT = new URL("../", import.meta.url);

/** How `deno test` ends: `ok | 12 passed (3 steps) | 0 failed | 1 ignored (2s)`. */
const SUMMARY = /\| (\d+) passed.*?\| (\d+) failed(?:.*?\| (\d+) ignored)?/;

async function main(args: readonly string[]): Promise<number> {
  const missing = BROWSERS.filter((kind) => findBrowser(kind) === undefined).map(browserAdvice);
  if (findFrp() === undefined) missing.push(frpAdvice());
  const { code, summary } = await runTests(args.length > 0 ? args : SUITES);
  const [, passed = "0", failed = code === 0 ? "0" : "1", skipped = "0"] = SUMMARY.exec(summary) ??
    [];
  for (const advice of missing) say(`Tests skipped: ${advice}`);
  say(`${passed} passed, ${failed} failed${skipped === "0" ? "" : `, ${skipped} skipped`}`);
  return code;
}

/** Runs `deno test`, showing its output as it comes. */
async function runTests(args: readonly string[]): Promise<{ code: number; summary: string }> {
  const child = new Deno.Command(Deno.execPath(), {
    args: ["test", "-A", ...args],
    cwd: ROOT,
    stdout: "piped",
    env: { NO_COLOR: "1" },
  }).spawn();
  let summary = "";
  const decoder = new TextDecoder();
  for await (const chunk of child.stdout) {
    await Deno.stdout.write(chunk);
    const text = decoder.decode(chunk, { stream: true });
    summary = (summary + text).split("\n").slice(-20).join("\n");
  }
  const { code } = await child.status;
  return { code, summary };
}

function say(line: string): void {
  Deno.stdout.writeSync(new TextEncoder().encode(`${line}\n`));
}

Deno.exit(await main(Deno.args));
