import { runSelfTest, type StepResult } from "../self_test/run_steps.ts";
import { printOut } from "./print.ts";
import { formatCounts, formatResults } from "./result_lines.ts";

/** Options of `pinhole self-test`. */
export interface SelfTestOptions {
  /** Prints one JSON document instead of lines. */
  readonly json: boolean;
}

/**
 * `pinhole self-test`: tests what every start of the server needs, on this host alone, and prints each result as it
 * comes. It reads no configuration.
 *
 * A step that hangs may still be pending afterwards, so the caller must exit the process.
 * @returns Whether nothing failed.
 */
export async function selfTest({ json }: SelfTestOptions): Promise<boolean> {
  const results: StepResult[] = [];
  const isColoured = Deno.stdout.isTerminal() && !Deno.noColor;
  for await (const result of runSelfTest()) {
    results.push(result);
    if (json) continue;
    const text = `${result.text} (${result.values.ms} ms)`;
    for (const line of formatResults([{ ...result, text }], { isColoured })) printOut(line);
  }
  const counts = { ok: 0, warning: 0, failed: 0, skipped: 0 };
  for (const { status } of results) counts[status]++;
  const healthy = counts.failed === 0;
  printOut(
    json
      ? JSON.stringify({ healthy, counts, checks: results }, undefined, 2)
      : formatCounts(counts),
  );
  return healthy;
}
