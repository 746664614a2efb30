import { fstatSync } from "node:fs";

const STDERR = 2;

/**
 * Whether standard error is the journal's. The variable alone does not say so: a program that was started from a service
 * with its output elsewhere has it too (systemd.exec(5), `$JOURNAL_STREAM`).
 * @param journalStream The variable: device and inode of the stream, with a colon between them.
 */
export function isStderrJournal(journalStream: string | undefined): boolean {
  if (journalStream === undefined) return false;
  const { dev, ino } = fstatSync(STDERR, { bigint: true });
  return journalStream === `${dev}:${ino}`;
}
