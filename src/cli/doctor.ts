import { AppError, errorText } from "../base/errors.ts";
import { ConfigError } from "../config/load.ts";
import { formatProblem } from "../config/problem.ts";
import { examine } from "../doctor/doctor.ts";
import type { DoctorPlan } from "../doctor/plan.ts";
import { type CheckResult, countResults, failed, type Status } from "../doctor/result.ts";
import { loadUsableConfig } from "./check.ts";
import { planDoctor } from "./doctor_plan.ts";
import { printOut } from "./print.ts";

/** What `pinhole doctor` is called with. */
export interface DoctorOptions {
  readonly config: string | undefined;
  /** Prints one JSON document instead of lines. */
  readonly json: boolean;
  /** URL of frpc's admin API. */
  readonly frpcAdmin: string | undefined;
}

/** How it went: the configuration can be used or not, and something failed or not. */
export type DoctorVerdict = "healthy" | "failed" | "bad_config";

/**
 * `pinhole doctor`: checks the whole path and prints each result as it comes.
 *
 * Something that hangs may be left under way: the process must end itself afterwards.
 */
export async function doctor({ config, json, frpcAdmin }: DoctorOptions): Promise<DoctorVerdict> {
  const results: CheckResult[] = [];
  const verdict = await run();
  if (json) printOut(JSON.stringify(document(results), undefined, 2));
  else printOut(summary(results));
  return verdict;

  async function run(): Promise<DoctorVerdict> {
    let plan: DoctorPlan;
    try {
      const loaded = await loadUsableConfig(config);
      const source = loaded.file ?? "The default configuration";
      plan = await planDoctor(loaded.config, { source, frpcAdmin });
    } catch (error) {
      if (!(error instanceof AppError)) throw error;
      configProblems(error).forEach(tell);
      return "bad_config";
    }
    for await (const result of examine(plan)) tell(result);
    return countResults(results).failed === 0 ? "healthy" : "failed";
  }

  function tell(result: CheckResult): void {
    results.push(result);
    if (!json) printResult(result);
  }
}

function configProblems(error: AppError): CheckResult[] {
  const texts = error instanceof ConfigError
    ? error.problems.map(formatProblem)
    : [errorText(error)];
  const fix = "Correct it; `pinhole check` reads the configuration again";
  return texts.map((text) => failed("config", { text, fix }));
}

function document(results: readonly CheckResult[]) {
  const counts = countResults(results);
  return { healthy: counts.failed === 0, counts, checks: results };
}

const LABEL_CHARS = 22;

/** Escape sequences of ECMA-48: green, yellow, red, dim. */
const COLOURS: Readonly<Record<Status, number>> = { ok: 32, warning: 33, failed: 31, skipped: 2 };

function printResult({ check, subject, status, text, fix }: CheckResult): void {
  const label = subject === undefined ? check : `${check} ${subject}`;
  printOut(`${coloured(status)} ${label.padEnd(LABEL_CHARS)} ${text}`);
  if (fix !== undefined) printOut(`${" ".repeat(9)}-> ${fix}`);
}

function coloured(status: Status): string {
  const word = status.padEnd(8);
  const isColoured = Deno.stdout.isTerminal() && !Deno.noColor;
  return isColoured ? `\x1b[${COLOURS[status]}m${word}\x1b[0m` : word;
}

function summary(results: readonly CheckResult[]): string {
  const { ok, warning, failed, skipped } = countResults(results);
  const warnings = warning === 1 ? "1 warning" : `${warning} warnings`;
  return `${ok} ok, ${warnings}, ${failed} failed, ${skipped} skipped`;
}
