import { readCpuTimes } from "../../support/machine/cpu_times.ts";
import { othersShare } from "../../support/machine/machine_load.ts";
import type { Progress } from "../figure.ts";
import type { Comparison, Side } from "./comparison.ts";

/** A program that takes its turns; the first of a list is ours. */
export interface Entry<T> extends Omit<Side, "values"> {
  readonly measure: () => Promise<T>;
}

/** What all entries measured, in the order of the turns. */
export interface Turns<T> {
  /**
   * A comparison of one value of each measurement.
   * @param value A number of a measurement; `undefined` where that side has none.
   */
  compare(
    about: Pick<Comparison, "subject" | "unit" | "aim">,
    value: (measured: T, name: string) => number | undefined,
  ): Comparison;
}

/**
 * Measures programs one after the other, again and again, so that each meets the same moods of the machine.
 * @param options.what For progress.
 */
export async function takeTurns<T>(
  entries: readonly Entry<T>[],
  { turns, what, progress }: { turns: number; what: string; progress: Progress },
): Promise<Turns<T>> {
  const measured = entries.map((): T[] => []);
  const before = readCpuTimes();
  for (let turn = 1; turn <= turns; turn++) {
    for (const [at, { name, measure }] of entries.entries()) {
      progress(`${what}, turn ${turn} of ${turns}, ${name}`);
      measured[at]?.push(await measure());
    }
  }
  const after = readCpuTimes();
  // Where the system does not tell, the ratios alone have to show the noise.
  const strangers = (before && after && othersShare(before, after)) ?? 0;
  return {
    compare(about, value) {
      const sides = entries.map(({ measure: _, ...side }, at): Side => ({
        ...side,
        values: (measured[at] ?? []).flatMap((each) => value(each, side.name) ?? []),
      }));
      const [ours, ...others] = sides;
      return { ...about, ours: ours?.values ?? [], others, strangers };
    },
  };
}
