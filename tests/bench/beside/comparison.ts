import { median } from "../figure.ts";

/** One program's values of a comparison. */
export interface Side {
  /** Such as `pion`. */
  readonly name: string;
  /** One for each turn, the smaller the better. */
  readonly values: readonly number[];
  /** Ours has to stay below this share of its value; of what is no aim, nothing is said. */
  readonly aimRatio?: number;
  /** What no server can be faster than: it is no peer, and its place in the order does not count. */
  readonly isLimit?: boolean;
}

/** One figure of Pinhole beside the same of others, measured in turns: first a value of each, then the next of each. */
export interface Comparison {
  /** What was measured, in words. */
  readonly subject: string;
  readonly unit: string;
  readonly ours: readonly number[];
  readonly others: readonly Side[];
  /** The value that ours should stay below. */
  readonly aim?: number;
  /** Share of the CPU that programs outside the bench used meanwhile, 0 to 1. */
  readonly strangers: number;
}

/** How ours relates to one other side. */
export interface Verdict {
  /** Ours divided by theirs, for each turn the two values that were measured one after the other; then the median. */
  readonly ratio: number;
  readonly min: number;
  readonly max: number;
  /** Why the ratio's value means nothing, or `undefined`. */
  readonly noise: string | undefined;
  /** Who had the smaller value in every turn: that may stand where noise spoils the ratio. */
  readonly first: "ours" | "theirs" | undefined;
}

/** Rules of docs/performance_method.md. */
const NOISE = {
  /** Share of the CPU that others may use. */
  strangersMax: 0.15,
  /** The largest ratio of the turns, divided by the smallest. */
  ratioSpreadMax: 1.5,
  turnsMin: 3,
} as const;

/** A ratio up to here is no worse: the medians of equal programs differ by as much. */
export const EQUAL_RATIO_MAX = 1.05;

/** Compares ours with one other side. */
export function judge({ ours, strangers }: Comparison, { values }: Side): Verdict {
  const ratios = ours.flatMap((own, turn) => {
    const theirs = values[turn];
    return theirs === undefined ? [] : [own / theirs];
  });
  const [min, max] = [Math.min(...ratios), Math.max(...ratios)];
  const noise = noiseOf({ ratios, spread: max / min, strangers });
  const first = max < 1 ? "ours" : min > 1 ? "theirs" : undefined;
  return { ratio: median(ratios), min, max, noise, first };
}

function noiseOf(
  { ratios, spread, strangers }: {
    ratios: readonly number[];
    spread: number;
    strangers: number;
  },
): string | undefined {
  if (ratios.length < NOISE.turnsMin) return `${ratios.length} turns`;
  if (!(strangers <= NOISE.strangersMax)) {
    return `others used ${Math.round(100 * strangers)} % of the CPU`;
  }
  // A value that is not finite and above 0 is no measurement.
  if (!(spread <= NOISE.ratioSpreadMax)) return "the turns differ";
  return undefined;
}
