/** Writes to standard output, with a line end if there is none. */
export function printOut(text: string): void {
  write(Deno.stdout, text);
}

/** Writes a line to standard error. */
export function printError(line: string): void {
  write(Deno.stderr, line);
}

function write(stream: { writeSync(bytes: Uint8Array): number }, text: string): void {
  let bytes = new TextEncoder().encode(text.endsWith("\n") ? text : `${text}\n`);
  try {
    while (bytes.length > 0) bytes = bytes.subarray(stream.writeSync(bytes));
  } catch {
    // Nobody reads any more (a closed pipe, a full disk): no reason to stop streaming.
  }
}
