import type { CheckResult, Status } from "../doctor/result.ts";

/** A result to print, of the doctor or of the self-test. */
export interface ResultLine extends Pick<CheckResult, "subject" | "status" | "text" | "fix"> {
  /** Name of the check. */
  readonly check: string;
}

const LABEL_CHARS = 22;

/** Escape sequences of ECMA-48: green, yellow, red, dim. */
const COLOURS: Readonly<Record<Status, number>> = { ok: 32, warning: 33, failed: 31, skipped: 2 };

/** Formats results as lines, for people. A fix that several share is printed once, below the last. Pure. */
export function formatResults(
  results: readonly ResultLine[],
  { isColoured }: { isColoured: boolean },
): string[] {
  return results.flatMap(({ check, subject, status, text, fix }, at) => {
    const label = subject === undefined ? check : `${check} ${subject}`;
    const word = status.padEnd(8);
    const coloured = isColoured ? `\x1b[${COLOURS[status]}m${word}\x1b[0m` : word;
    const line = `${coloured} ${label.padEnd(LABEL_CHARS)} ${text}`;
    const isSaidBelow = results.slice(at + 1).some((later) => later.fix === fix);
    return fix === undefined || isSaidBelow ? [line] : [line, `${" ".repeat(9)}-> ${fix}`];
  });
}

/** Whether a result may share its fix with the one before it: both belong to one check with several subjects. */
export function belongTogether(before: ResultLine, after: ResultLine): boolean {
  return before.check === after.check && after.subject !== undefined;
}

/** Formats the last line: the number of results by status. */
export function formatCounts({ ok, warning, failed, skipped }: Record<Status, number>): string {
  const warnings = warning === 1 ? "1 warning" : `${warning} warnings`;
  return `${ok} ok, ${warnings}, ${failed} failed, ${skipped} skipped`;
}
