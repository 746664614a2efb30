import { within } from "./deadline.ts";

const DEADLINE_MS = 2_000;

/** What a command printed; `undefined` when it is missing, may not be run, failed, or took too long. */
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
    // The signal asks it to end, which it may not do.
    const { success, stdout } = await within(output, {
      ms: DEADLINE_MS + 500,
      what: "No end came",
    });
    return success ? new TextDecoder().decode(stdout) : undefined;
  } catch {
    return undefined;
  }
}
