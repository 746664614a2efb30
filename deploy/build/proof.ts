import { BuildError, type CommandResult, showStep, tryCommand } from "./command.ts";
import { exists } from "./files.ts";
import type { Target } from "./target.ts";

/** What an executable must do in an empty folder, without a configuration: exit with 0, and print this. */
const COMMANDS = [
  { command: "--version", prints: /^pinhole \d/ },
  { command: "check", prints: /\bvalid\b/ },
  { command: "self-test", prints: /\b[1-9]\d* ok, .*\b0 failed\b/ },
] as const;

/** User ids that no distribution gives to anyone: one of them is the other user. */
const STRANGERS = { from: 61_200, count: 300 } as const;

/** Changes the user, for root alone. */
const SETPRIV = "setpriv";

/** Outcome of {@link proveExecutable}. */
export interface Proof {
  /** Why it does not work, as several lines; `undefined` if it does. */
  readonly failure: string | undefined;
  /** What was and was not tried, as a sentence. */
  readonly summary: string;
}

/**
 * Runs a new executable in an empty folder, without an environment: as this user, and as another one where that is
 * possible. It leaves nothing behind.
 */
export async function proveExecutable(
  output: string,
  { target }: { target: Target },
): Promise<Proof> {
  if (target.triple !== Deno.build.target) {
    return { failure: undefined, summary: `Not run: it is for ${target.triple}` };
  }
  const folder = await Deno.makeTempDir({ prefix: "pinhole-proof-" });
  try {
    // The folder of the output may be closed to the other user, or not be empty.
    await Deno.chmod(folder, 0o755);
    await Deno.mkdir(`${folder}/empty`);
    const program = `${folder}/pinhole`;
    await Deno.copyFile(output, program);
    await Deno.chmod(program, 0o755);
    const own = { CACHE_DIRECTORY: `${folder}/cache` };
    const failure = await tryCommands([program], { cwd: `${folder}/empty`, env: own });
    const as = `user ${Deno.uid()}`;
    if (failure !== undefined) return { failure: `As ${as}: ${failure}`, summary: "" };
    const stranger = await findStranger();
    if (typeof stranger === "string") {
      return { failure, summary: `It works as ${as}; as another user it was not run: ${stranger}` };
    }
    return await proveAsStranger(program, { uid: stranger, cwd: `${folder}/empty`, as });
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

/** The other user has no home and no variable, and so unpacks where the executable itself chooses. */
async function proveAsStranger(
  program: string,
  { uid, cwd, as }: { uid: number; cwd: string; as: string },
): Promise<Proof> {
  const cache = `/var/tmp/pinhole-${uid}`;
  try {
    const become = [`--reuid=${uid}`, `--regid=${uid}`, "--clear-groups", "--"];
    const failure = await tryCommands([SETPRIV, ...become, program], { cwd, env: {} });
    if (failure !== undefined) return { failure: `As user ${uid}: ${failure}`, summary: "" };
    return { failure, summary: `It works as ${as} and as user ${uid}` };
  } finally {
    await Deno.remove(cache, { recursive: true }).catch(() => {});
  }
}

/** @returns The id of a user who has nothing on this host, or why there is no way to become another user. */
async function findStranger(): Promise<number | string> {
  if (Deno.uid() !== 0) return "only root can become one";
  try {
    if (!(await tryCommand([SETPRIV, "--version"])).ok) return `${SETPRIV} does not work`;
  } catch (error) {
    if (!(error instanceof BuildError)) throw error;
    return `${SETPRIV} is missing`;
  }
  const first = Math.floor(Math.random() * STRANGERS.count);
  for (let at = 0; at < STRANGERS.count; at++) {
    const uid = STRANGERS.from + (first + at) % STRANGERS.count;
    if (!await exists(`/var/tmp/pinhole-${uid}`)) return uid;
  }
  return "every user id that was tried has a cache";
}

/** @returns The first failure, with what the command printed. */
async function tryCommands(
  program: readonly [string, ...string[]],
  { cwd, env }: { cwd: string; env: Readonly<Record<string, string>> },
): Promise<string | undefined> {
  for (const { command, prints } of COMMANDS) {
    showStep(`Running pinhole ${command}`);
    const result = await runOnce([...program, command], { cwd, env });
    const what = result.ok ? "printed something else than it should" : "failed";
    if (result.ok && prints.test(result.stdout)) continue;
    return `\`pinhole ${command}\` ${what}:\n${outputOf(result)}`;
  }
  return undefined;
}

async function runOnce(
  command: readonly [string, ...string[]],
  { cwd, env }: { cwd: string; env: Readonly<Record<string, string>> },
): Promise<CommandResult> {
  try {
    return await tryCommand(command, { cwd, env, clearEnv: true });
  } catch (error) {
    if (!(error instanceof Deno.errors.PermissionDenied)) throw error;
    // Not a fault of the executable.
    const message = `Cannot run programs in ${cwd}: its disk is mounted noexec; set TMPDIR to a ` +
      "folder on another disk, or give --unproven";
    throw new BuildError(message, { cause: error });
  }
}

function outputOf({ stdout, stderr }: CommandResult): string {
  const text = [stdout.trim(), stderr].filter((part) => part !== "").join("\n");
  return text === "" ? "(nothing)" : text;
}
