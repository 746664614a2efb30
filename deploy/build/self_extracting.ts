import { architectureOf } from "../../src/renderer/elf.ts";
import { writeArchive } from "./archive.ts";
import { BuildError, runCommand, showStep } from "./command.ts";
import { sha256, writeJson } from "./files.ts";
import { appendPieces, type Compression, type Piece } from "./pieces.ts";
import type { Revision } from "./revision.ts";
import type { Stage } from "./stage.ts";
import type { Target } from "./target.ts";

/** Size of the script before the payload, in bytes: fixed, so that the script can contain it. */
const HEADER_BYTES = 8192;

const LAUNCHER = new URL("launcher.sh", import.meta.url);
const UNPACK = new URL("unpack.js", import.meta.url);

/**
 * The two large files, in the order in which they are unpacked: at first there is only `gzip`, and then Deno, which has
 * zstd. More pieces than cores cost little with `gzip`, but a start of Deno each with zstd.
 */
const LARGE = {
  deno: { count: 4, compression: "gzip" },
  addon: { count: 2, compression: "zstd" },
} as const satisfies Readonly<Record<string, { count: number; compression: Compression }>>;

/** Commands of launcher.sh that decompress standard input to standard output. */
const DECOMPRESSORS: Readonly<Record<Compression, string>> = {
  gzip: "gzip -dc",
  zstd: `"$deno" $zstd "$1/unpack.js"`,
};

/** Where everything is in the payload, and how large it is unpacked. */
interface Contents {
  /** Length of the tar.gz of all small files, which comes first, in bytes. */
  readonly files: number;
  readonly deno: readonly Piece[];
  readonly addon: readonly Piece[];
  /** Sizes of the two large files, in bytes. */
  readonly sizes: readonly [deno: number, addon: number];
  /** Size of all unpacked files, in bytes. */
  readonly unpacked: number;
}

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
 * Writes an executable that unpacks itself at its first start: a POSIX shell script, followed by a tar.gz of the small
 * files and the pieces of the large ones, which are the `deno` program and the native addon.
 */
export async function writeSelfExtracting(options: SelfExtractingOptions): Promise<void> {
  const { output } = options;
  const folder = await Deno.makeTempDir({ prefix: "pinhole-build-" });
  try {
    await placeDeno(`${folder}/deno`, options);
    const payload = `${folder}/payload`;
    showStep("Compressing the executable");
    const contents = await writePayload(payload, { folder, options });
    // Written next to the target, and renamed when complete.
    const partial = `${output}.partial`;
    await Deno.writeFile(
      partial,
      formatHeader(contents, { ...options, hash: await sha256(payload) }),
    );
    await appendFile(partial, payload);
    await Deno.chmod(partial, 0o755);
    await Deno.rename(partial, output);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

/** @param folder Contains the program as `deno`; its other files are made here. */
async function writePayload(
  path: string,
  { folder, options }: { folder: string; options: SelfExtractingOptions },
): Promise<Contents> {
  const { stage, revision } = options;
  const small = `${folder}/small`;
  const addon = `${folder}/addon`;
  await Deno.mkdir(small);
  await runCommand(["cp", "--archive", "--link", stage.folder, `${small}/app`]);
  await Deno.rename(`${small}/app/${stage.addon}`, addon);
  await Deno.copyFile(UNPACK, `${small}/unpack.js`);
  await Deno.writeTextFile(`${small}/.in-use`, "");
  const names = [".in-use", "app", "unpack.js"];
  await writeArchive({ output: path, folder: small, names, timeS: revision.timeS });
  const { size: files } = await Deno.stat(path);
  using payload = await Deno.open(path, { append: true });
  const deno = `${folder}/deno`;
  const sizes: Contents["sizes"] = [(await Deno.stat(deno)).size, (await Deno.stat(addon)).size];
  return {
    files,
    deno: await appendPieces(payload, { path: deno, ...LARGE.deno }),
    addon: await appendPieces(payload, { path: addon, ...LARGE.addon }),
    sizes,
    unpacked: sizes[0] + sizes[1] + await sizeOf(small),
  };
}

async function appendFile(path: string, added: string): Promise<void> {
  using source = await Deno.open(added);
  using target = await Deno.open(path, { append: true });
  await source.readable.pipeTo(target.writable);
}

async function placeDeno(
  program: string,
  { target, deno }: SelfExtractingOptions,
): Promise<void> {
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

function formatHeader(
  contents: Contents,
  { stage, revision, permissions, hash }: SelfExtractingOptions & { hash: string },
): Uint8Array<ArrayBuffer> {
  let first = HEADER_BYTES + 1;
  const place = (length: number): string => {
    const text = `${first} ${length}`;
    first += length;
    return text;
  };
  const beginAll = (name: keyof typeof LARGE): string => {
    const command = DECOMPRESSORS[LARGE[name].compression];
    return contents[name].map(({ length, startMib }) =>
      `begin "$${name}" ${place(length)} ${startMib} ${command}`
    ).join("\n  ");
  };
  const places = {
    FILES: place(contents.files),
    DENO_PIECES: beginAll("deno"),
    ADDON_PIECES: beginAll("addon"),
  };
  const values: Readonly<Record<string, string>> = {
    ...places,
    VERSION: revision.version,
    HEADER_BYTES: String(HEADER_BYTES),
    SIZE: String(first - 1),
    SHORT_SHA256: hash.slice(0, 12),
    SIZES: contents.sizes.join("\n"),
    ADDON: `app/${stage.addon}`,
    UNPACKED_MB: String(Math.ceil(contents.unpacked / 1e6)),
    PERMISSIONS: permissions.join(" "),
  };
  const script = Deno.readTextFileSync(LAUNCHER).replaceAll(
    /@([A-Z0-9_]+)@/g,
    (_, name: string) => {
      const value = values[name];
      // The values are inserted into a script.
      if (value === undefined || !/^[\w.+@/=:"$\n -]+$/.test(value)) {
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

/** Size of a folder, in bytes. */
async function sizeOf(folder: string): Promise<number> {
  const text = await runCommand(["du", "--bytes", "--summarize", folder]);
  return Number.parseInt(text);
}
