import { errorText } from "../base/errors.ts";
import { within } from "../doctor/deadline.ts";
import { explainAddonError } from "../media/addon_problem.ts";
import { type Step, STEPS } from "./steps.ts";

/** Time limit of a step, in milliseconds: it takes a tenth of a second, and some seconds on a busy host. */
const STEP_MS_MAX = 30_000;

/** Result of one step of `pinhole self-test`. */
export interface StepResult {
  readonly check: string;
  /** `skipped`: a step before it failed that it needs. */
  readonly status: "ok" | "failed" | "skipped";
  /** What was found, for people. */
  readonly text: string;
  /** How to fix or improve it; always present if the status is `failed`. */
  readonly fix?: string;
  readonly values: {
    /** How long it took, in milliseconds. */
    readonly ms: number;
  };
}

/**
 * Runs the steps of the self-test one after another, and yields each result as it comes. A step that hangs may still
 * be pending afterwards, so the caller must exit the process.
 */
export async function* runSelfTest(
  { steps = STEPS, stepMsMax = STEP_MS_MAX }: {
    steps?: readonly Step[];
    /** Time limit of each step, in milliseconds. Default: 30 s. */
    stepMsMax?: number;
  } = {},
): AsyncGenerator<StepResult> {
  let hasAddon = true;
  for (const step of steps) {
    const { check } = step;
    if (step.needsAddon === true && !hasAddon) {
      yield { check, status: "skipped", text: "It needs the addon", values: { ms: 0 } };
      continue;
    }
    const result = await runStep(step, stepMsMax);
    if (check === "addon" && result.status === "failed") hasAddon = false;
    yield result;
  }
}

async function runStep({ check, fix, run }: Step, msMax: number): Promise<StepResult> {
  const startMs = performance.now();
  const values = () => ({ ms: Math.round(performance.now() - startMs) });
  try {
    const found = await within(run(), { ms: msMax, what: "It did not end" });
    return { check, status: "ok", ...found, values: values() };
  } catch (error) {
    const problem = explainAddonError(error);
    const told = problem === undefined
      ? { text: firstLineOf(error), fix: permissionFix(error) ?? fix }
      : { text: `The library with FFmpeg does not load: ${problem.reason}`, fix: problem.fix };
    return { check, status: "failed", ...told, values: values() };
  }
}

/** What to do about a missing permission of Deno, whose message names it. */
function permissionFix(error: unknown): string | undefined {
  const [, kind] = /\bRequires (\w+) access\b/.exec(errorText(error)) ?? [];
  if (kind === undefined) return undefined;
  return `Give Deno --allow-${kind}, as the task \`start\` in deno.json does`;
}

/** A line is for one result. */
function firstLineOf(error: unknown): string {
  const [line = ""] = errorText(error).split("\n");
  return line;
}
