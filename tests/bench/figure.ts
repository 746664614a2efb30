/** One measured figure. */
export interface Figure {
  /** What was measured, in words. */
  readonly name: string;
  readonly value: number;
  /** `ms`, `µs`, `MiB`, `%`, `/s`, or empty for a ratio or a number of things. */
  readonly unit: string;
  /** The value that it should stay below. */
  readonly aim?: number;
  /** The value that it should reach. */
  readonly aimAtLeast?: number;
}

/** Whether a figure has an aim and falls short of it; no figure at all (NaN) does too. */
export function isMissed({ value, aim, aimAtLeast }: Figure): boolean {
  return (aim !== undefined && !(value < aim)) ||
    (aimAtLeast !== undefined && !(value >= aimAtLeast));
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
  return figures.map((figure) => {
    const { name, value, unit } = figure;
    const aim = formatAim(figure);
    const shown = `${name.padEnd(nameWidth)} ${formatValue(value).padStart(9)} ${unit.padEnd(3)}`;
    if (aim === undefined) return shown.trimEnd();
    return `${shown}  aim ${aim}: ${isMissed(figure) ? "MISSED" : "met"}`;
  }).join("\n");
}

/** How many aims were met, and which were not: a line below an empty one, or nothing where there are no aims. */
export function formatVerdict(figures: readonly Figure[]): string {
  const aims = figures.filter((figure) => formatAim(figure) !== undefined);
  const missed = aims.filter(isMissed);
  if (aims.length === 0) return "";
  const names = missed.map(({ name }) => name).join("; ");
  const met = `${aims.length - missed.length} of ${aims.length} aims met`;
  return `\n${met}${names === "" ? "" : `; MISSED: ${names}`}\n`;
}

function formatAim({ aim, aimAtLeast }: Figure): string | undefined {
  if (aim !== undefined) return `< ${formatValue(aim)}`;
  return aimAtLeast === undefined ? undefined : `>= ${formatValue(aimAtLeast)}`;
}

/** With about three digits. */
export function formatValue(value: number): string {
  return Math.abs(value) >= 100 ? value.toFixed(0) : value.toFixed(value >= 10 ? 1 : 2);
}
