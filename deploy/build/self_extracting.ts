import { architectureOf } from "../../src/renderer/elf.ts";
import { writeArchive } from "./archive.ts";
import { BuildError, runCommand, showStep } from "./command.ts";
import { sha256, writeJson } from "./files.ts";
import type { Revision } from "./revision.ts";
import type { Stage } from "./stage.ts";
import type { Target } from "./target.ts";

/** Size of the script before the payload, in bytes: fixed, so that the script can contain it. */
const HEADER_BYTES = 8192;

const LAUNCHER = new URL("launcher.sh", import.meta.url);

/** Options of a self-extracting executable. */
export interface SelfExtractingOptions {
  readonly stage: Stage;
  readonly revision: Revision;
  readonly target: Target;
  /** Flags of `deno run`. */
  readonly permissions: readonly string[];
  /** Path of the executable. */
  readonly output: string;
  /** The `deno` program for the target. Default: the running one, or that of npm for another machine. */
  readonly deno?: string | undefined;
}

/**
 * Writes an executable that unpacks itself at its first start: a POSIX shell script, followed by a tar.gz of the `deno`
 * program and the application.
 */
export async function writeSelfExtracting(options: SelfExtractingOptions): Promise<void> {
  const { stage, revision, output } = options;
  const folder = await Deno.makeTempDir({ prefix: "pinhole-build-" });
  try {
    await runCommand(["cp", "--archive", "--link", stage.folder, `${folder}/app`]);
    await placeDeno(folder, options);
    await Deno.writeTextFile(`${folder}/.in-use`, "");
    const payload = `${folder}/payload`;
    const names = [".in-use", "app", "pinhole"];
    showStep("Compressing the executable");
    await writeArchive({ output: payload, folder, names, timeS: revision.timeS });
    // Written next to the target, and renamed when complete.
    const partial = `${output}.partial`;
    await Deno.writeFile(partial, await formatHeader(folder, options));
    {
      using source = await Deno.open(payload);
      using target = await Deno.open(partial, { append: true });
      await source.readable.pipeTo(target.writable);
    }
    await Deno.chmod(partial, 0o755);
    await Deno.rename(partial, output);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

async function placeDeno(
  folder: string,
  { target, deno }: SelfExtractingOptions,
): Promise<void> {
  const program = `${folder}/pinhole`;
  if (deno !== undefined) await Deno.copyFile(deno, program);
  else if (target.triple === Deno.build.target) await Deno.copyFile(Deno.execPath(), program);
  else await fetchDeno(program, target);
  checkArchitecture(program, { target, deno });
  await Deno.chmod(program, 0o755);
}

/** Checks the machine of the program, since a wrong one would fail only on the target. */
function checkArchitecture(
  program: string,
  { target: { triple }, deno = "the program" }: { target: Target; deno?: string | undefined },
): void {
  const architecture = architectureOf(program);
  const wanted = triple.split("-", 1)[0];
  if (architecture === wanted) return;
  const what = architecture === undefined ? "is not a program" : `is built for ${architecture}`;
  throw new BuildError(`${deno} ${what}; give a Deno for ${wanted} with --deno FILE`);
}

/** Gets the npm package of the running Deno version for another machine. */
async function fetchDeno(program: string, { denoPackage, arch }: Target): Promise<void> {
  const folder = await Deno.makeTempDir({ prefix: "pinhole-build-" });
  try {
    const wanted = `npm:${denoPackage}@${Deno.version.deno}`;
    await writeJson(`${folder}/deno.json`, {
      workspace: [],
      nodeModulesDir: "manual",
      imports: { deno: wanted },
    });
    const install = ["install", "--node-modules-linker=hoisted", "--os=linux", `--arch=${arch}`];
    await runCommand([Deno.execPath(), ...install], { cwd: folder });
    await Deno.copyFile(`${folder}/node_modules/${denoPackage}/deno`, program);
  } catch (error) {
    const message = `Cannot get Deno ${Deno.version.deno} for ${arch} (package ${denoPackage}); ` +
      `give its program with --deno FILE`;
    throw new BuildError(message, { cause: error });
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

async function formatHeader(
  folder: string,
  { stage, revision, permissions }: SelfExtractingOptions,
): Promise<Uint8Array<ArrayBuffer>> {
  const addon = `app/${stage.addon}`;
  const sizes = await Promise.all(
    [`${folder}/pinhole`, `${folder}/${addon}`].map(async (path) => (await Deno.stat(path)).size),
  );
  const hash = await sha256(`${folder}/payload`);
  const values: Readonly<Record<string, string>> = {
    VERSION: revision.version,
    HEADER_BYTES: String(HEADER_BYTES),
    SHA256: hash,
    SHORT_SHA256: hash.slice(0, 12),
    SIZES: sizes.join("\n"),
    ADDON: addon,
    UNPACKED_MB: String(Math.ceil(await sizeOf(folder) / 1e6)),
    PERMISSIONS: permissions.join(" "),
  };
  const script = (await Deno.readTextFile(LAUNCHER)).replaceAll(
    /@([A-Z0-9_]+)@/g,
    (_, name: string) => {
      const value = values[name];
      // The values are inserted into a script.
      if (value === undefined || !/^[\w.+@/=:\n -]+$/.test(value)) {
        throw new BuildError(`launcher.sh cannot take "${value}" for @${name}@`);
      }
      return value;
    },
  );
  const bytes = new TextEncoder().encode(script);
  if (bytes.length >= HEADER_BYTES) {
    throw new BuildError(`launcher.sh has ${bytes.length} bytes; raise HEADER_BYTES`);
  }
  const header = new Uint8Array(HEADER_BYTES).fill("\n".charCodeAt(0));
  header.set(bytes);
  return header;
}

/** Size of the unpacked folder, in bytes. */
async function sizeOf(folder: string): Promise<number> {
  const text = await runCommand(["du", "--bytes", "--summarize", "--exclude=payload", folder]);
  return Number.parseInt(text);
}
