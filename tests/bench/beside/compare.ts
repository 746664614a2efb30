import type { Progress } from "../figure.ts";
import type { Comparison } from "./comparison.ts";
import { buildPrograms } from "./programs.ts";
import { formatComparisons, formatShortcomings } from "./report.ts";
import { ROWS } from "./rows.ts";

/** What a run of `deno task bench --peers` found. */
export interface PeerReport {
  /** Averages of the machine's load, over a minute: before the first row and after the last. */
  readonly load: { readonly before: number; readonly after: number };
  readonly comparisons: readonly Comparison[];
  /** What was not measured, by name, and why. */
  readonly skipped: Readonly<Record<string, string>>;
}

/** Runs rows for ours and its peers. @param names Keys of {@link ROWS}. */
export async function comparePeers(
  names: readonly string[],
  progress: Progress,
): Promise<PeerReport> {
  const [before = 0] = Deno.loadavg();
  const programs = await buildPrograms(progress);
  const comparisons: Comparison[] = [];
  const skipped = new Map(programs.skipped);
  for (const name of names) {
    try {
      comparisons.push(...await ROWS[name]?.(programs, progress) ?? []);
    } catch (error) {
      // The rows before it have taken minutes.
      skipped.set(`row ${name}`, error instanceof Error ? error.message : String(error));
    }
  }
  const [after = 0] = Deno.loadavg();
  return { load: { before, after }, comparisons, skipped: Object.fromEntries(skipped) };
}

/** The report as a table, where ours is not first, and what was skipped. */
export function formatPeerReport({ load, comparisons, skipped }: PeerReport): string {
  const loads = `Load average ${load.before.toFixed(1)} before, ${load.after.toFixed(1)} after`;
  const missing = Object.entries(skipped).map(([name, reason]) => `SKIPPED ${name}: ${reason}\n`);
  return `${loads}\n${formatComparisons(comparisons)}\n\n${formatShortcomings(comparisons)}\n` +
    missing.join("");
}
