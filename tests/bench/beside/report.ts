import { type Figure, formatValue, isMissed, median } from "../figure.ts";
import { type Comparison, EQUAL_RATIO_MAX, judge, type Side } from "./comparison.ts";

const OURS = "Pinhole";

/**
 * Comparisons as lines of aligned columns: name, median and range of the turns, and for all but ours the ratio, ours
 * divided by theirs.
 */
export function formatComparisons(comparisons: readonly Comparison[]): string {
  const rows = comparisons.flatMap(rowsOf);
  const widths = [0, 1, 2, 3].map((column) =>
    Math.max(0, ...rows.map((cells) => cells.length === 1 ? 0 : cells[column]?.length ?? 0))
  );
  return rows.map((cells) => {
    if (cells.length === 1) return `\n${cells[0]}`;
    const [name = "", value = "", range = "", ratio = "", remark = ""] = cells;
    const [nameWidth = 0, valueWidth = 0, rangeWidth = 0, ratioWidth = 0] = widths;
    return [
      `  ${name.padEnd(nameWidth)}`,
      value.padStart(valueWidth),
      range.padEnd(rangeWidth),
      ratio.padEnd(ratioWidth),
      remark,
    ].join("  ").trimEnd();
  }).join("\n");
}

/**
 * Where ours is not the first, or an aim is missed, in words; of a ratio that noise spoiled only the order counts that all turns
 * had.
 */
export function formatShortcomings(comparisons: readonly Comparison[]): string {
  const found = comparisons.flatMap((comparison) => [
    ...comparison.others.flatMap((side) => shortcomingOf(comparison, side)),
    ...(isMissed(figureOf(comparison))
      ? [`${comparison.subject}: not below ${comparison.aim} ${comparison.unit}`]
      : []),
  ]);
  return found.length === 0
    ? "First in all that could be judged"
    : `Not first, or short of an aim:\n${found.map((each) => `  ${each}`).join("\n")}`;
}

/** A heading alone, or a row of cells. */
function rowsOf(comparison: Comparison): string[][] {
  const { subject, unit, ours, others, strangers } = comparison;
  const heading = unit === "" ? subject : `${subject} (${unit})`;
  const share = `others used ${Math.round(100 * strangers)} % of the CPU`;
  return [
    [`${heading}; ${share}`],
    [OURS, ...summaryOf(ours), "", aimOf(comparison)],
    ...others.map((
      side,
    ) => [side.name, ...summaryOf(side.values), ...relationOf(comparison, side)]),
  ];
}

function summaryOf(values: readonly number[]): [value: string, range: string] {
  if (values.length === 0) return ["", "not measured"];
  const [min, max] = [Math.min(...values), Math.max(...values)];
  return [formatValue(median(values)), `${formatValue(min)} to ${formatValue(max)}`];
}

function aimOf(comparison: Comparison): string {
  if (comparison.aim === undefined) return "";
  return `aim < ${formatValue(comparison.aim)}: ${
    isMissed(figureOf(comparison)) ? "MISSED" : "met"
  }`;
}

const FIRST = {
  ours: "Pinhole first in every turn",
  theirs: "Pinhole behind in every turn",
} as const;

function relationOf(comparison: Comparison, side: Side): [ratio: string, remark: string] {
  if (side.values.length === 0) return ["", ""];
  const { ratio, min, max, noise, first } = judge(comparison, side);
  const limit = side.isLimit ? "limit" : "";
  if (noise !== undefined) {
    return ["too noisy", [noise, limit || (first && FIRST[first])].filter(Boolean).join("; ")];
  }
  const shown = `${formatValue(ratio)} (${formatValue(min)} to ${formatValue(max)})`;
  if (side.aimRatio === undefined) return [shown, limit];
  const aim = `aim <= ${formatValue(side.aimRatio)}`;
  return [shown, `${aim}: ${ratio <= side.aimRatio ? "met" : "MISSED"}`];
}

function shortcomingOf(comparison: Comparison, side: Side): string[] {
  if (side.isLimit || side.values.length === 0) return [];
  const { ratio, noise, first } = judge(comparison, side);
  const about = `${comparison.subject}, beside ${side.name}`;
  if (noise !== undefined) return first === "theirs" ? [`${about}: behind in every turn`] : [];
  return ratio <= (side.aimRatio ?? EQUAL_RATIO_MAX) ? [] : [`${about}: ${formatValue(ratio)}`];
}

function figureOf({ subject, unit, ours, aim }: Comparison): Figure {
  return { name: subject, unit, value: median(ours), ...(aim === undefined ? {} : { aim }) };
}
