const DEADLINE_MS = 2_000;

/** What a command printed; `undefined` when it is missing, may not be run, failed, or took too long. */
export async function outputOf(
  program: string,
  args: readonly string[],
): Promise<string | undefined> {
  try {
    const { success, stdout } = await new Deno.Command(program, {
      args: [...args],
      stdin: "null",
      stderr: "null",
      signal: AbortSignal.timeout(DEADLINE_MS),
    }).output();
    return success ? new TextDecoder().decode(stdout) : undefined;
  } catch {
    return undefined;
  }
}
