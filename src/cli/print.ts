import { readServiceVariables } from "../config/environment.ts";
import { isStderrJournal } from "../observability/systemd.ts";
import { priorityPrefix } from "../observability/log_format.ts";

/** Writes to standard output, with a line end if there is none. */
export function printOut(text: string): void {
  write(Deno.stdout, text);
}

/** Writes a line to standard error. */
export function printError(line: string): void {
  write(Deno.stderr, line);
}

/** Writes to standard error why a command failed; in the journal it has the priority of an error. */
export function printFailure(line: string): void {
  const isJournal = isStderrJournal(readServiceVariables().JOURNAL_STREAM);
  printError(isJournal ? `${priorityPrefix("error")}${line}` : line);
}

/** Writes bytes to standard error unchanged. */
export function printErrorBytes(bytes: Uint8Array): void {
  writeBytes(Deno.stderr, bytes);
}

type Stream = { writeSync(bytes: Uint8Array): number };

function write(stream: Stream, text: string): void {
  writeBytes(stream, new TextEncoder().encode(text.endsWith("\n") ? text : `${text}\n`));
}

function writeBytes(stream: Stream, bytes: Uint8Array): void {
  try {
    for (let rest = bytes; rest.length > 0;) rest = rest.subarray(stream.writeSync(rest));
  } catch {
    // A closed pipe or a full disk must not stop streaming.
  }
}
