import type { TraceComparison } from "./delay_trace.ts";

/**
 * Delays whose standard deviation is less, in milliseconds, show nothing. Without a queue, they vary because programs
 * wait for a processor, each at another time, so it takes more to show that viewers are apart.
 */
const SPREAD_MS = { together: 8, apart: 15 } as const;
/** Tenths of a second that two viewers have to be compared for. */
const BUCKETS_MIN = 20;
/** Agreement of delays from which two viewers share a bottleneck, and below which they do not. */
const AGREEMENT = { together: 0.65, apart: 0.3 } as const;
/**
 * A standing queue that the others do not have: another bottleneck. While a queue changes fast, packets within one
 * bucket differ much, so the queue has to exceed some standard deviations too.
 */
const EXCESS = { leastMs: 35, spreads: 2 } as const;

/** Whether a viewer shares the bottleneck of others. */
export type BottleneckVerdict = "together" | "apart" | "unknown";

/**
 * Judges a viewer by the comparisons with others that share a bottleneck. What holds of half of them counts, and of two
 * that differ, neither: one of them may be another's problem.
 */
export function judgeBottleneck(comparisons: readonly TraceComparison[]): BottleneckVerdict {
  const compared = comparisons.filter(({ buckets }) => buckets >= BUCKETS_MIN);
  if (compared.length === 0) return "unknown";
  const spread = middle(compared.map(({ spreadMs }) => spreadMs));
  const excess = middle(compared.map(({ excessMs }) => excessMs));
  if (excess.lower > Math.max(EXCESS.leastMs, EXCESS.spreads * spread.lower)) return "apart";
  if (spread.lower < SPREAD_MS.together) return "unknown";
  const agreement = middle(compared.map((each) => each.agreement));
  if (agreement.lower >= AGREEMENT.together) return "together";
  const isApart = agreement.upper < AGREEMENT.apart && spread.lower >= SPREAD_MS.apart;
  return isApart ? "apart" : "unknown";
}

/** The two values in the middle, which are the same one if the number of values is odd. */
function middle(values: readonly number[]): { lower: number; upper: number } {
  const sorted = values.toSorted((a, b) => a - b);
  return {
    lower: sorted[(sorted.length - 1) >> 1] ?? Number.NaN,
    upper: sorted[sorted.length >> 1] ?? Number.NaN,
  };
}
