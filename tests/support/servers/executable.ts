import { createHash } from "node:crypto";
import { fileURLToPath } from "node:url";
import { listFiles } from "../../../deploy/build/files.ts";
import { readRevision } from "../../../deploy/build/revision.ts";

const ROOT = fileURLToPath(new URL("../../../", import.meta.url));
const CACHE = `${ROOT}tests/.cache/executable`;

/** What the executable is made of. */
const SOURCES = ["deno.json", "deno.lock", "main.ts", "src", "deploy/build"] as const;

/** Executables of other sources that are this old, in milliseconds, are not those of a test that runs. */
const OLD_MS = 3_600_000;

/** How a command ended. */
export interface Ended {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/**
 * Builds the self-extracting executable, unless that was done before from the same sources and the same commit.
 * @returns Its path.
 */
export async function buildExecutable(): Promise<string> {
  const target = `${CACHE}/pinhole-${await cacheKey()}`;
  try {
    await Deno.stat(target);
    return target;
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
  await Deno.mkdir(CACHE, { recursive: true });
  await removeOld();
  // Two runs may build it at the same time: each into a file of its own, moved into place when whole.
  const partial = `${target}.${crypto.randomUUID()}`;
  const script = `${ROOT}deploy/build/compile.ts`;
  const build = [Deno.execPath(), "run", "-A", script, "--self-extracting", "--unproven"]
    .concat(["--output", partial]);
  const { code, stderr } = await runPlain(build, { env: Deno.env.toObject() });
  if (code !== 0) throw new Error(`The executable cannot be built:\n${stderr}`);
  await Deno.rename(partial, target);
  return target;
}

/** Runs a command to its end with these variables and no others. */
export async function runPlain(
  command: readonly string[],
  { env = {}, cwd = "/" }: { env?: Readonly<Record<string, string>>; cwd?: string } = {},
): Promise<Ended> {
  const [program = "", ...args] = command;
  const { code, stdout, stderr } = await new Deno.Command(program, {
    args,
    cwd,
    clearEnv: true,
    env: { ...env },
    stdin: "null",
  }).output();
  const decoder = new TextDecoder();
  return { code, stdout: decoder.decode(stdout), stderr: decoder.decode(stderr) };
}

/** A folder that everybody can read, with copies of files; `await using` removes it. */
export async function openFolder(
  copies: Readonly<Record<string, string>> = {},
): Promise<AsyncDisposable & { readonly path: string }> {
  const path = await Deno.makeTempDir({ prefix: "pinhole-test-" });
  await Deno.chmod(path, 0o755);
  for (const [name, source] of Object.entries(copies)) {
    await Deno.copyFile(source, `${path}/${name}`);
    await Deno.chmod(`${path}/${name}`, 0o755);
  }
  return { path, [Symbol.asyncDispose]: () => Deno.remove(path, { recursive: true }) };
}

async function cacheKey(): Promise<string> {
  const { version } = await readRevision(ROOT.slice(0, -1));
  const hash = createHash("sha256").update(`${version} ${Deno.version.deno}`);
  for (const source of SOURCES) {
    const { isDirectory } = await Deno.stat(`${ROOT}${source}`);
    const files = isDirectory
      ? (await listFiles(`${ROOT}${source}`)).map((path) => `${source}/${path}`)
      : [source];
    for (const file of files) hash.update(file).update(await Deno.readFile(`${ROOT}${file}`));
  }
  return hash.digest("hex").slice(0, 16);
}

async function removeOld(): Promise<void> {
  for await (const { name } of Deno.readDir(CACHE)) {
    const { mtime } = await Deno.stat(`${CACHE}/${name}`);
    if (mtime !== null && Date.now() - mtime.getTime() > OLD_MS) {
      await Deno.remove(`${CACHE}/${name}`);
    }
  }
}
