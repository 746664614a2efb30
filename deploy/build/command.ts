/** A requirement of the build is missing or does not work. */
export class BuildError extends Error {
  override name = "BuildError";
}

/** Options of a command. */
export interface CommandOptions {
  readonly cwd?: string;
  /** Added to the variables of this process. */
  readonly env?: Readonly<Record<string, string>>;
  /** Whether the command gets `env` and no other variable. Default: false. */
  readonly clearEnv?: boolean;
}

/** Result of a command. */
export interface CommandResult {
  readonly ok: boolean;
  readonly stdout: string;
  readonly stderr: string;
}

/** Variables for untranslated output without colours. */
const PLAIN = { LC_ALL: "C", NO_COLOR: "1", DENO_NO_UPDATE_CHECK: "1" } as const;

/**
 * Runs a command and waits for its end.
 * @param command The program, then its arguments.
 * @throws {BuildError} When there is no such program.
 */
export async function tryCommand(
  command: readonly [program: string, ...args: string[]],
  { cwd, env = {}, clearEnv = false }: CommandOptions = {},
): Promise<CommandResult> {
  const [program, ...args] = command;
  try {
    const output = await new Deno.Command(program, {
      args,
      ...(cwd === undefined ? {} : { cwd }),
      clearEnv,
      env: clearEnv ? { ...env } : { ...PLAIN, ...env },
      stdin: "null",
    }).output();
    const decoder = new TextDecoder();
    return {
      ok: output.success,
      stdout: decoder.decode(output.stdout),
      stderr: decoder.decode(output.stderr).trim(),
    };
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
    throw new BuildError(`The build needs the program "${program}"; install it`, { cause: error });
  }
}

/**
 * Runs a command that must succeed.
 * @returns Its output.
 * @throws {BuildError} If it fails; contains its error output.
 */
export async function runCommand(
  command: readonly [program: string, ...args: string[]],
  options: CommandOptions = {},
): Promise<string> {
  const { ok, stdout, stderr } = await tryCommand(command, options);
  if (!ok) throw new BuildError(`\`${command.join(" ")}\` failed:\n${stderr || stdout.trim()}`);
  return stdout;
}

/** Prints the current step of a build to standard error: some steps take half a minute. */
export function showStep(what: string): void {
  Deno.stderr.writeSync(new TextEncoder().encode(`${what} …\n`));
}
