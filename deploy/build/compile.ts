/**
 * `deno task compile`: writes Pinhole as one executable file. Options: see {@link USAGE}.
 */
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { BuildError } from "./command.ts";
import { denoCompile } from "./deno_compile.ts";
import { proveExecutable } from "./proof.ts";
import { readRevision, type Revision } from "./revision.ts";
import { writeSelfExtracting } from "./self_extracting.ts";
import { type Stage, stageApplication } from "./stage.ts";
import { findTarget, type Target } from "./target.ts";

const USAGE = `Usage: deno task compile [OPTIONS]
  --target TRIPLE    x86_64-unknown-linux-gnu or aarch64-unknown-linux-gnu (default: this machine)
  --output FILE      (default: dist/pinhole)
  --self-extracting  a self-extracting executable even where \`deno compile\` could make one
  --deno FILE        the deno program to put into a self-extracting executable
  --unproven         do not run the executable when it is made`;

/** Folder of the project. */
export const ROOT: string = fileURLToPath(new URL("../..", import.meta.url)).replace(/\/$/, "");

/** Options of an executable. */
export interface CompileOptions {
  readonly target: Target;
  readonly revision: Revision;
  readonly stage: Stage;
  /** Path of the executable. */
  readonly output: string;
  /** Whether it must be self-extracting. */
  readonly selfExtracting: boolean;
  /** The `deno` program for a self-extracting executable. */
  readonly deno?: string | undefined;
  /** Whether it is not run afterwards. Default: false. */
  readonly unproven?: boolean;
}

/** The kinds of executable, in the order in which they are tried. */
const KINDS = ["deno_compile", "self_extracting"] as const;

const KIND_NAMES: Readonly<Record<typeof KINDS[number], string>> = {
  deno_compile: "by `deno compile`",
  self_extracting: "self-extracting",
};

/**
 * Writes the executable, with `deno compile` if possible, and runs it: one that does not work is replaced by one of the
 * other kind.
 * @throws {BuildError} If no kind works here.
 */
export async function compile(options: CompileOptions): Promise<void> {
  const shared = { ...options, permissions: await readPermissions() };
  const failures: string[] = [];
  for (const kind of options.selfExtracting ? KINDS.slice(1) : KINDS) {
    const name = KIND_NAMES[kind];
    if (kind === "self_extracting") await writeSelfExtracting(shared);
    else if (!await denoCompile(shared)) {
      say(
        `No executable (${name}): Deno's runtime for compiled programs (denort) cannot be downloaded ` +
          "and DENORT_BIN is not set",
      );
      continue;
    }
    const { failure, summary } = options.unproven === true
      ? { failure: undefined, summary: "It was not run" }
      : await proveExecutable(options.output, options);
    if (failure === undefined) return say(`The executable (${name}) is made. ${summary}`);
    const problem = `The executable (${name}) does not work. ${failure}`;
    failures.push(problem);
    say(problem);
  }
  await Deno.remove(options.output);
  throw new BuildError(failures.join("\n"));
}

/**
 * The permissions of the task `start-isolated`: whether a library runs in a child process is known only after reading
 * the configuration.
 */
async function readPermissions(): Promise<string[]> {
  const { tasks } = JSON.parse(await Deno.readTextFile(`${ROOT}/deno.json`));
  const words: string[] = tasks["start-isolated"].command.split(" ");
  return words.filter((word) => word.startsWith("--allow-"));
}

/** Prints a line. */
export function say(line: string): void {
  Deno.stdout.writeSync(new TextEncoder().encode(`${line}\n`));
}

/**
 * Runs a task of the build.
 * @returns The exit code: 1 for an expected failure, with the reason on standard error; 2 for wrong options.
 */
export async function runTask(task: () => Promise<void>): Promise<number> {
  try {
    await task();
    return 0;
  } catch (error) {
    const isUsage = error instanceof TypeError && "code" in error &&
      String(error.code).startsWith("ERR_PARSE_ARGS");
    if (!isUsage && !(error instanceof BuildError)) throw error;
    Deno.stderr.writeSync(new TextEncoder().encode(`${error.message}\n`));
    return isUsage ? 2 : 1;
  }
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    args: [...Deno.args],
    options: {
      "target": { type: "string" },
      "output": { type: "string", default: `${ROOT}/dist/pinhole` },
      "self-extracting": { type: "boolean", default: false },
      "deno": { type: "string" },
      "unproven": { type: "boolean", default: false },
      "help": { type: "boolean", default: false },
    },
  });
  if (values.help) return say(USAGE);
  const output = await Deno.realPath(await makeFolderOf(values.output))
    .then((folder) => `${folder}/${values.output.split("/").at(-1)}`);
  const target = findTarget(values.target);
  const revision = await readRevision(ROOT);
  await using stage = await stageApplication({ root: ROOT, target, revision });
  const { deno, unproven, "self-extracting": selfExtracting } = values;
  await compile({ target, revision, stage, output, selfExtracting, deno, unproven });
  const { size } = await Deno.stat(output);
  say(`${values.output}: Pinhole ${revision.version} for ${target.triple}, ${toMB(size)} MB`);
}

async function makeFolderOf(file: string): Promise<string> {
  const folder = file.includes("/") ? file.slice(0, file.lastIndexOf("/")) : ".";
  await Deno.mkdir(folder, { recursive: true });
  return folder;
}

function toMB(bytes: number): string {
  return (bytes / 1e6).toFixed(0);
}

if (import.meta.main) Deno.exit(await runTask(main));
