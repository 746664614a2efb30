import { within } from "./deadline.ts";

const DEADLINE_MS = 2_000;

/** Standard output of a command; `undefined` if it is missing, not permitted, failed, or took too long. */
export async function outputOf(
  program: string,
  args: readonly string[],
): Promise<string | undefined> {
  try {
    const output = new Deno.Command(program, {
      args: [...args],
      stdin: "null",
      stderr: "null",
      signal: AbortSignal.timeout(DEADLINE_MS),
    }).output();
    // The signal is only SIGTERM, which a process may ignore.
    const { success, stdout } = await within(output, {
      ms: DEADLINE_MS + 500,
      what: "It did not end",
    });
    return success ? new TextDecoder().decode(stdout) : undefined;
  } catch {
    return undefined;
  }
}
