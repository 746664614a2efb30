/** One measured figure. */
export interface Figure {
  /** What was measured, in words. */
  readonly name: string;
  readonly value: number;
  /** `ms`, `µs`, `MiB`, `%`, or empty for a ratio. */
  readonly unit: string;
  /** The value that it should stay below. */
  readonly aim?: number;
}

/** Measures one subject; long work tells `progress` what it is about to do. */
export type Part = (progress: Progress) => Promise<Figure[]>;

/** Takes one line, without its end. */
export type Progress = (line: string) => void;

/** The value in the middle. NaN when there is none. */
export function median(values: readonly number[]): number {
  return percentile(values, 50);
}

/**
 * The smallest value that so many percent of all values do not exceed. NaN when there is none.
 * @param percent Above 0, at most 100.
 */
export function percentile(values: readonly number[], percent: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.ceil(sorted.length * percent / 100) - 1] ?? Number.NaN;
}

/** Figures as lines of aligned columns. */
export function formatTable(figures: readonly Figure[]): string {
  const nameWidth = Math.max(...figures.map(({ name }) => name.length));
  return figures.map(({ name, value, unit, aim }) => {
    const shown = `${formatValue(value).padStart(9)} ${unit.padEnd(3)}`;
    if (aim === undefined) return `${name.padEnd(nameWidth)} ${shown}`.trimEnd();
    const verdict = value < aim ? "met" : "missed";
    return `${name.padEnd(nameWidth)} ${shown}  aim < ${formatValue(aim)}: ${verdict}`;
  }).join("\n");
}

function formatValue(value: number): string {
  return Math.abs(value) >= 100 ? value.toFixed(0) : value.toFixed(value >= 10 ? 1 : 2);
}
