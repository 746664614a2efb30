/**
 * `deno task test`: runs the suites, says of each how it ended, and ends with one line of counts. Arguments go on to
 * `deno test`: paths of test files, or options such as `--filter`. `--fast` runs the suites that need nothing but Deno;
 * `--checked` leaves out the check of types, which was made before.
 */
import { parseUnjudged, type Unjudged } from "./support/machine/machine.ts";
import { prepare } from "./support/machine/needs.ts";

/**
 * Suites that two lanes begin with, side by side: tests wait more than they work. The fast ones come first, so that a
 * simple mistake shows at once: `deno test` alone would sort them by name. The clients are built beside the unit tests,
 * which care least about a busy machine.
 */
const LANES = [["tests/tree", "tests/unit", "tests/sim"], ["tests/clients"]] as const;

/** Suites behind those: whichever lane is free takes the next one. */
const REST = ["tests/integration", "tests/browser", "tests/frp", "tests/fuzz"] as const;

/** Those of `--fast`, one call after the other: they install, build and look up nothing. */
const FAST = [["tests/tree"], ["tests/unit", "tests/sim"]] as const;

/** Files that `--fast` runs at once: their tests wait as much as they work. */
const FAST_JOBS = Math.max(4, navigator.hardwareConcurrency);

/** Suites that need what `prepare` installs and builds. They wait for it; the others do not. */
const NEEDY: ReadonlySet<string> = new Set(["tests/clients", "tests/browser", "tests/frp"]);

/** The types were checked before. */
const IS_CHECKED = Deno.args[0] === "--checked";

const ROOT = new URL("../", import.meta.url);

/** How `deno test` names a test that failed, with its file. */
const FAILURE = /^(.+) => (\.\/tests\/[\w/]+\.ts):\d+:\d+$/;

/** How `deno test` ends: `ok | 12 passed (3 steps) | 0 failed | 1 ignored (2s)`. */
const SUMMARY = /\| (\d+) passed.*?\| (\d+) failed(?:.*?\| (\d+) ignored)?/;

async function main(args: readonly string[]): Promise<number> {
  if (args[0] === "--fast") {
    return report(await runFast(), []);
  }
  if (args.length > 0) return report([await runTests(args)], []);
  const prepared = prepare(["browsers", "frp"], say);
  const rest: string[] = [...REST];
  const lanes = await Promise.all(LANES.map((lane) => runLane(takeFrom(lane, rest), prepared)));
  await judgeAlone(lanes);
  // The suite has built what can be built, and what cannot fails fast.
  const clients = await prepare(["clients"], () => {});
  return report(lanes, [...(await prepared).missing, ...clients.missing]);
}

/** Says what was left out and why, and the counts of all. @returns The exit code. */
function report(lanes: readonly Counts[], missing: readonly string[]): number {
  const sum = (count: "passed" | "failed" | "skipped") =>
    lanes.reduce((all, lane) => all + lane[count], 0);
  for (const advice of missing) say(`Tests skipped: ${advice}`);
  const unjudged = lanes.flatMap((lane) => lane.unjudged);
  for (const { name, file } of unjudged) {
    say(`Not judged, the machine was too busy: ${name} => ${file}`);
  }
  const figures = [`${sum("passed")} passed`, `${sum("failed")} failed`];
  const skipped = sum("skipped");
  if (skipped > 0) figures.push(`${skipped} skipped`);
  if (unjudged.length > 0) {
    figures.push(`${unjudged.length} not judged since the machine was too busy`);
  }
  say(figures.join(", "));
  return Math.max(...lanes.map(({ code }) => code));
}

/** Runs the suites of `--fast`, whose files need not wait for each other. */
async function runFast(): Promise<Counts[]> {
  const all: Counts[] = [];
  for (const suites of FAST) {
    all.push(await runTests(["--parallel", ...suites], { DENO_JOBS: String(FAST_JOBS) }));
  }
  return all;
}

/** The suites of a lane, then what is left of those for any. */
function* takeFrom(lane: readonly string[], rest: string[]): Generator<string> {
  yield* lane;
  for (let next = rest.shift(); next !== undefined; next = rest.shift()) yield next;
}

/** Runs suites one after the other, also those behind one that fails. */
async function runLane(
  suites: Iterable<string>,
  prepared: Promise<{ readonly env: Readonly<Record<string, string>> }>,
): Promise<Counts> {
  const all: Counts = {
    code: 0,
    passed: 0,
    failed: 0,
    skipped: 0,
    unjudged: [],
    failedFiles: [],
    brokeOff: false,
  };
  for (const suite of suites) {
    const env = NEEDY.has(suite) ? (await prepared).env : {};
    const startedMs = performance.now();
    const counts = await runTests([suite], env);
    const seconds = Math.round((performance.now() - startedMs) / 1000);
    const { passed, failed, skipped } = counts;
    say(`==> ${suite}: ${passed} passed, ${failed} failed, ${skipped} skipped (${seconds} s)`);
    all.code = Math.max(all.code, counts.code);
    all.passed += counts.passed;
    all.failed += counts.failed;
    all.skipped += counts.skipped;
    all.unjudged.push(...counts.unjudged);
    all.failedFiles.push(...counts.failedFiles);
    all.brokeOff ||= counts.brokeOff;
  }
  return all;
}

/**
 * Files with tests that failed beside another lane, or could not judge times there, run once more, alone: not every test
 * that judges times measures the machine yet. What fails alone has failed, and what passes is named, so that it does not
 * pass unseen.
 */
async function judgeAlone(lanes: readonly Counts[]): Promise<void> {
  for (const lane of lanes) {
    const files = [...new Set([...lane.failedFiles, ...lane.unjudged.map(({ file }) => file)])];
    if (files.length === 0 || lane.brokeOff) continue;
    say(`Failed, or not judged, beside other tests, so once more alone: ${files.join(" ")}`);
    const alone = await runTests(files);
    lane.code = alone.code;
    lane.passed += lane.failed + lane.unjudged.length - alone.failed - alone.unjudged.length;
    lane.failed = alone.failed;
    lane.unjudged = alone.unjudged;
  }
}

/** How a suite, or a lane of them, ended. */
interface Counts {
  code: number;
  passed: number;
  failed: number;
  skipped: number;
  /** Tests that have not passed, and could not fail. */
  unjudged: Unjudged[];
  /** A suite ended before its summary: it failed as a whole. */
  brokeOff: boolean;
  /** Files with tests that failed. */
  readonly failedFiles: string[];
}

/** Runs `deno test`, showing its lines as they are complete: the lanes share the terminal. */
async function runTests(
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
): Promise<Counts> {
  const child = new Deno.Command(Deno.execPath(), {
    args: ["test", "-A", ...(IS_CHECKED ? ["--no-check"] : []), ...args],
    cwd: ROOT,
    stdout: "piped",
    env: { ...env, NO_COLOR: "1" },
  }).spawn();
  let summary: RegExpExecArray | null = null;
  const failedFiles = new Set<string>();
  const unjudged = new Map<string, Unjudged>();
  let rest = "";
  for await (const text of child.stdout.pipeThrough(new TextDecoderStream())) {
    const lines = (rest + text).split("\n");
    rest = lines.pop() ?? "";
    for (const line of lines) {
      say(line);
      summary = SUMMARY.exec(line) ?? summary;
      const [, name, file] = FAILURE.exec(line) ?? [];
      if (file !== undefined) failedFiles.add(file);
      const test = parseUnjudged(line);
      if (test !== undefined) unjudged.set(`${test.file} ${test.name}`, test);
      // It may have failed by what depends on no times.
      unjudged.delete(`${file} ${name}`);
    }
  }
  if (rest !== "") say(rest);
  const { code } = await child.status;
  const [passed, failed, skipped] = [1, 2, 3].map((at) => Number(summary?.[at] ?? 0));
  const brokeOff = code !== 0 && !failed;
  return {
    code,
    passed: (passed ?? 0) - unjudged.size,
    failed: brokeOff ? 1 : failed ?? 0,
    skipped: skipped ?? 0,
    unjudged: [...unjudged.values()],
    failedFiles: [...failedFiles],
    brokeOff,
  };
}

function say(line: string): void {
  Deno.stdout.writeSync(new TextEncoder().encode(`${line}\n`));
}

Deno.exit(await main(IS_CHECKED ? Deno.args.slice(1) : Deno.args));
