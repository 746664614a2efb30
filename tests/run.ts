/**
 * `deno task test`: gets ready what the suites need, runs them, and ends with one line of counts. Arguments go on to
 * `deno test`: paths of test files, or options such as `--filter`.
 */
import { browserAdvice, BROWSERS, findBrowser } from "./support/browser.ts";
import { clientAdvice, CLIENTS, findClient } from "./support/client_programs.ts";
import { findFrp, frpAdvice } from "./support/frp_programs.ts";

/**
 * Suites, in lanes of about equal length that run side by side: tests wait more than they work. Those of a lane run one
 * after the other, the fast ones first, so that a simple mistake shows at once: `deno test` alone would sort them by name.
 * The clients are built beside the unit tests, which care least about a busy machine.
 */
const LANES = [
  ["tests/tree", "tests/unit", "tests/sim", "tests/integration", "tests/fuzz"],
  ["tests/clients", "tests/browser", "tests/frp"],
] as const;

const ROOT = new URL("../", import.meta.url);

/** How `deno test` names a test that failed, with its file. */
const FAILURE = / => (\.\/tests\/[\w/]+\.ts):\d+:\d+$/;

/** How `deno test` ends: `ok | 12 passed (3 steps) | 0 failed | 1 ignored (2s)`. */
const SUMMARY = /\| (\d+) passed.*?\| (\d+) failed(?:.*?\| (\d+) ignored)?/;

async function main(args: readonly string[]): Promise<number> {
  const missing = BROWSERS.filter((kind) => findBrowser(kind) === undefined).map(browserAdvice);
  if (findFrp() === undefined) missing.push(frpAdvice());
  const lanes = args.length > 0 ? [await runTests(args)] : await Promise.all(LANES.map(runLane));
  if (args.length === 0) await judgeAlone(lanes);
  // The suite has built what can be built, and what cannot fails fast.
  if (args.length === 0) {
    missing.push(...CLIENTS.filter((kind) => findClient(kind) === undefined).map(clientAdvice));
  }
  const sum = (count: "passed" | "failed" | "skipped") =>
    lanes.reduce((all, lane) => all + lane[count], 0);
  for (const advice of missing) say(`Tests skipped: ${advice}`);
  const skipped = sum("skipped");
  say(
    `${sum("passed")} passed, ${sum("failed")} failed${
      skipped === 0 ? "" : `, ${skipped} skipped`
    }`,
  );
  return Math.max(...lanes.map(({ code }) => code));
}

/** Runs the suites of a lane one after the other, also those behind one that fails. */
async function runLane(suites: readonly string[]): Promise<Counts> {
  const all: Counts = {
    code: 0,
    passed: 0,
    failed: 0,
    skipped: 0,
    failedFiles: [],
    brokeOff: false,
  };
  for (const suite of suites) {
    const counts = await runTests([suite]);
    all.code = Math.max(all.code, counts.code);
    all.passed += counts.passed;
    all.failed += counts.failed;
    all.skipped += counts.skipped;
    all.failedFiles.push(...counts.failedFiles);
    all.brokeOff ||= counts.brokeOff;
  }
  return all;
}

/**
 * Files that failed beside another lane run once more, alone: some tests judge times, which a busy machine of two cores
 * cannot keep. What fails alone has failed, and what passes is named, so that it does not pass unseen.
 */
async function judgeAlone(lanes: readonly Counts[]): Promise<void> {
  for (const lane of lanes) {
    const files = lane.failedFiles;
    if (files.length === 0 || lane.brokeOff) continue;
    say(`Failed beside other tests, so once more alone: ${files.join(" ")}`);
    const alone = await runTests(files);
    lane.code = alone.code;
    lane.failed = alone.failed;
  }
}

/** How a suite, or a lane of them, ended. */
interface Counts {
  code: number;
  passed: number;
  failed: number;
  skipped: number;
  /** A suite ended before its summary: it failed as a whole. */
  brokeOff: boolean;
  /** Files with tests that failed. */
  readonly failedFiles: string[];
}

/** Runs `deno test`, showing its lines as they are complete: the lanes share the terminal. */
async function runTests(args: readonly string[]): Promise<Counts> {
  const child = new Deno.Command(Deno.execPath(), {
    args: ["test", "-A", ...args],
    cwd: ROOT,
    stdout: "piped",
    env: { NO_COLOR: "1" },
  }).spawn();
  let summary: RegExpExecArray | null = null;
  const failedFiles = new Set<string>();
  let rest = "";
  for await (const text of child.stdout.pipeThrough(new TextDecoderStream())) {
    const lines = (rest + text).split("\n");
    rest = lines.pop() ?? "";
    for (const line of lines) {
      say(line);
      summary = SUMMARY.exec(line) ?? summary;
      const file = FAILURE.exec(line)?.[1];
      if (file !== undefined) failedFiles.add(file);
    }
  }
  if (rest !== "") say(rest);
  const { code } = await child.status;
  const [passed, failed, skipped] = [1, 2, 3].map((at) => Number(summary?.[at] ?? 0));
  const brokeOff = code !== 0 && !failed;
  return {
    code,
    passed: passed ?? 0,
    failed: brokeOff ? 1 : failed ?? 0,
    skipped: skipped ?? 0,
    failedFiles: [...failedFiles],
    brokeOff,
  };
}

function say(line: string): void {
  Deno.stdout.writeSync(new TextEncoder().encode(`${line}\n`));
}

Deno.exit(await main(Deno.args));
