import { ownDescriptorWarning } from "../app/descriptors.ts";
import { AppError, errorText } from "../base/errors.ts";
import { ConfigError } from "../config/load.ts";
import { formatProblem } from "../config/problem.ts";
import { examine } from "../doctor/diagnosis.ts";
import type { DoctorPlan } from "../doctor/plan.ts";
import { type CheckResult, countResults, failed } from "../doctor/result.ts";
import { loadUsableConfig } from "./check.ts";
import { planDoctor } from "./doctor_plan.ts";
import { printOut } from "./print.ts";
import { belongTogether, formatCounts, formatResults } from "./result_lines.ts";

/** Options of `pinhole doctor`. */
export interface DoctorOptions {
  readonly config: string | undefined;
  /** Prints one JSON document instead of lines. */
  readonly json: boolean;
  /** Whether a missing server is a failure instead of a warning. Default: false. */
  readonly running?: boolean;
  /** Time limit of the whole run, in seconds. Default: 20. */
  readonly timeoutS?: number;
  /** URLs of frpc's admin APIs, one for each client; if empty, those in the files of `pinhole frpc`. */
  readonly frpcAdmins: readonly string[];
}

/** Outcome: nothing failed, something failed, or the configuration cannot be used. */
export type DoctorVerdict = "healthy" | "failed" | "bad_config";

/**
 * `pinhole doctor`: checks the whole path and prints each result as it comes.
 *
 * A check that hangs may still be pending afterwards, so the caller must exit the process.
 */
export async function doctor(
  { config, json, running = false, timeoutS, frpcAdmins }: DoctorOptions,
): Promise<DoctorVerdict> {
  const results: CheckResult[] = [];
  const isColoured = Deno.stdout.isTerminal() && !Deno.noColor;
  let held: CheckResult[] = [];
  const verdict = await run();
  if (json) {
    printOut(JSON.stringify(document(results), undefined, 2));
  } else {
    printHeld();
    printOut(formatCounts(countResults(results)));
  }
  return verdict;

  async function run(): Promise<DoctorVerdict> {
    let plan: DoctorPlan;
    try {
      const loaded = await loadUsableConfig(config);
      const source = loaded.file ?? "The default configuration";
      plan = await planDoctor(loaded.config, {
        source,
        frpcAdmins,
        mustRun: running,
        deadlineMs: timeoutS === undefined ? undefined : timeoutS * 1000,
      });
      const few = ownDescriptorWarning(loaded.config);
      if (few !== undefined) tell({ check: "config", status: "warning", ...few });
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
    if (json) return;
    const before = held.at(-1);
    if (before !== undefined && !belongTogether(before, result)) printHeld();
    held.push(result);
    // Results with a subject are held until the last of their check, so that a shared fix is printed once.
    if (result.subject === undefined) printHeld();
  }

  function printHeld(): void {
    for (const line of formatResults(held, { isColoured })) printOut(line);
    held = [];
  }
}

function configProblems(error: AppError): CheckResult[] {
  const texts = error instanceof ConfigError
    ? error.problems.map(formatProblem)
    : [errorText(error)];
  const fix = "Correct it; `pinhole check` validates the configuration";
  return texts.map((text) => failed("config", { text, fix }));
}

function document(results: readonly CheckResult[]) {
  const counts = countResults(results);
  return { healthy: counts.failed === 0, counts, checks: results };
}
