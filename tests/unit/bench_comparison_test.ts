import assert from "assert";
import { type Comparison, judge } from "../bench/beside/comparison.ts";
import { formatComparisons, formatShortcomings } from "../bench/beside/report.ts";

const QUIET: Omit<Comparison, "ours" | "others"> = { subject: "A thing", unit: "µs", strangers: 0 };

/** What is said of ours beside one other side. */
function compare(
  ours: readonly number[],
  theirs: readonly number[],
  more: Partial<Comparison & { aimRatio: number; isLimit: boolean }> = {},
) {
  const { aimRatio, isLimit, ...about } = more;
  const side = {
    name: "theirs",
    values: theirs,
    ...(aimRatio === undefined ? {} : { aimRatio }),
    ...(isLimit === undefined ? {} : { isLimit }),
  };
  const comparison = { ...QUIET, ours, others: [side], ...about };
  return {
    verdict: judge(comparison, side),
    table: formatComparisons([comparison]),
    shortcomings: formatShortcomings([comparison]),
  };
}

Deno.test("judge: the ratio is of values that were measured one after the other", () => {
  // Either side is twice as slow in the second turn.
  const { verdict } = compare([1, 2, 1.1], [2, 4, 2.2]);
  assert.equal(verdict.ratio, 0.5);
  assert.equal(verdict.noise, undefined);
  assert.equal(verdict.first, "ours");
});

Deno.test("judge: a ratio is too noisy where the turns differ by more than half", () => {
  assert.equal(compare([1, 1, 1.49], [1, 1, 1]).verdict.noise, undefined);
  assert.equal(compare([1, 1, 1.51], [1, 1, 1]).verdict.noise, "the turns differ");
});

Deno.test("judge: a ratio is too noisy where other programs used a good part of the CPU", () => {
  assert.equal(compare([1, 1, 1], [2, 2, 2], { strangers: 0.15 }).verdict.noise, undefined);
  const { noise } = compare([1, 1, 1], [2, 2, 2], { strangers: 0.16 }).verdict;
  assert.equal(noise, "others used 16 % of the CPU");
});

Deno.test("judge: two turns, and values that are none, prove nothing", () => {
  assert.equal(compare([1, 1], [2, 2]).verdict.noise, "2 turns");
  assert.equal(compare([1, Number.NaN, 1], [2, 2, 2]).verdict.noise, "the turns differ");
});

Deno.test("report: says too noisy instead of a ratio, and who was first in every turn", () => {
  const { table, shortcomings } = compare([3, 9, 3], [1, 1, 2]);
  assert.match(table, /theirs .* too noisy {2}the turns differ; Pinhole behind in every turn$/m);
  assert.match(shortcomings, /A thing, beside theirs: behind in every turn/);
  const mixed = compare([3, 1, 3], [1, 2, 2]);
  assert.match(mixed.table, /too noisy {2}the turns differ$/m);
  assert.equal(mixed.shortcomings, "First in all that could be judged");
});

Deno.test("report: columns are aligned", () => {
  const { table } = compare([10, 10.5, 10.1], [200, 210, 205]);
  const [ours = "", theirs = ""] = table.split("\n").filter((line) => line.startsWith("  "));
  assert.equal(ours.indexOf("10.0 to 10.5"), theirs.indexOf("200 to 210"));
  assert.match(ours, / 10\.1 {2}10\.0/);
  assert.match(theirs, /0\.05 \(0\.05 to 0\.05\)$/);
});

Deno.test("report: names what is not first, short of an aim, or behind a share that is the aim", () => {
  assert.match(compare([2, 2, 2], [1, 1, 1]).shortcomings, /A thing, beside theirs: 2\.00/);
  assert.match(
    compare([1.06, 1.06, 1.06], [1, 1, 1]).shortcomings,
    /A thing, beside theirs: 1\.06/,
  );
  const equal = compare([1.04, 1.04, 1.04], [1, 1, 1]);
  assert.equal(equal.shortcomings, "First in all that could be judged");
  assert.match(compare([95, 95, 95], [100, 100, 100], { aimRatio: 0.9 }).shortcomings, /: 0\.95/);
  assert.match(compare([50, 50, 50], [90, 90, 90], { aim: 50 }).shortcomings, /not below 50 µs/);
  const limit = compare([2, 2, 2], [1, 1, 1], { isLimit: true });
  assert.equal(limit.shortcomings, "First in all that could be judged");
  assert.match(limit.table, /2\.00 \(2\.00 to 2\.00\) {2}limit$/m);
});
