import { createHash } from "node:crypto";
import { fileURLToPath } from "node:url";

/** Folder of the C header and the reference library. */
const NATIVE = new URL("../../src/renderer/native/", import.meta.url);
const RENDERERS = new URL("../testdata/renderers/", import.meta.url);
const CACHE = new URL("../.cache/native/", import.meta.url);

const WARNINGS = ["-Wall", "-Wextra", "-Wpedantic", "-Werror"];
const LIBRARY_FLAGS = ["-std=c11", "-O2", "-fPIC", "-shared", "-fvisibility=hidden", ...WARNINGS];

/** What a run of the compiler said. */
export interface CompilerResult {
  readonly ok: boolean;
  /** Errors and warnings. */
  readonly text: string;
}

/** Compiles the CPU reference library. @returns Path of the shared library. */
export function compileReference(): Promise<string> {
  return compileLibrary(new URL("reference.c", NATIVE));
}

/**
 * Compiles a library of tests/testdata/renderers.
 * @param name File name without `.c`.
 * @param options.defines Macros that choose what the library does, such as `{ VERSION: "2" }`.
 * @returns Path of the shared library.
 */
export function compileTestRenderer(
  name: string,
  { defines = {} }: { defines?: Readonly<Record<string, string>> } = {},
): Promise<string> {
  const flags = Object.entries(defines).map(([macro, value]) => `-D${macro}=${value}`);
  return compileLibrary(new URL(`${name}.c`, RENDERERS), flags);
}

/**
 * Compiles a source into a shared library, unless that was done before with the same source, headers, flags and
 * compiler. Warnings are errors.
 * @returns Path of the shared library.
 * @throws With what to install when there is no compiler, and with the compiler's words when it fails.
 */
export async function compileLibrary(source: URL, flags: readonly string[] = []): Promise<string> {
  const compiler = await findCompiler();
  const name = source.pathname.slice(source.pathname.lastIndexOf("/") + 1).replace(/\.c$/, "");
  const key = await cacheKey([source, ...await headers()], [compiler, ...LIBRARY_FLAGS, ...flags]);
  const target = new URL(`${name}-${key}.so`, CACHE);
  if (await exists(target)) return fileURLToPath(target);

  await Deno.mkdir(CACHE, { recursive: true });
  // Tests may compile the same source at the same time: each into a file of its own, moved into place when whole.
  const partial = new URL(`${name}-${key}.${crypto.randomUUID()}`, CACHE);
  const result = await runCompiler(compiler, [
    ...LIBRARY_FLAGS,
    ...flags,
    `-I${fileURLToPath(NATIVE)}`,
    "-o",
    fileURLToPath(partial),
    fileURLToPath(source),
    "-lm",
  ]);
  if (!result.ok) throw new Error(`Cannot compile ${fileURLToPath(source)}:\n${result.text}`);
  await Deno.rename(partial, target);
  return fileURLToPath(target);
}

/** Compiles a header by itself, with all warnings as errors and no output. */
export async function checkHeader(
  name: string,
  { language, standard }: { language: "c" | "c++"; standard: string },
): Promise<CompilerResult> {
  const header = fileURLToPath(new URL(name, NATIVE));
  const flags = ["-x", language, `-std=${standard}`, "-fsyntax-only", ...WARNINGS];
  return await runCompiler(await findCompiler(), [...flags, header]);
}

/** Whether the compiler knows C++, which is a package of its own with some. */
export async function hasCplusplus(): Promise<boolean> {
  const flags = ["-x", "c++", "-fsyntax-only", "/dev/null"];
  return (await runCompiler(await findCompiler(), flags)).ok;
}

/** The compiler that `PINHOLE_CC` names, or the first of the usual ones that runs. */
async function findCompiler(): Promise<string> {
  const chosen = Deno.env.get("PINHOLE_CC");
  const candidates = chosen ? [chosen] : ["cc", "gcc", "clang"];
  for (const candidate of candidates) {
    const { ok } = await runCompiler(candidate, ["--version"]);
    if (ok) return candidate;
  }
  throw new Error(
    `No C compiler runs (tried ${
      candidates.join(", ")
    }). Install one, such as Debian's package gcc, ` +
      `or set PINHOLE_CC to its path`,
  );
}

async function runCompiler(compiler: string, flags: readonly string[]): Promise<CompilerResult> {
  try {
    const command = new Deno.Command(compiler, { args: [...flags], stdout: "null" });
    const { success, stderr } = await command.output();
    return { ok: success, text: new TextDecoder().decode(stderr) };
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return { ok: false, text: error.message };
    throw error;
  }
}

async function headers(): Promise<URL[]> {
  const found: URL[] = [];
  for await (const entry of Deno.readDir(NATIVE)) {
    if (entry.name.endsWith(".h")) found.push(new URL(entry.name, NATIVE));
  }
  return found.sort((a, b) => a.href.localeCompare(b.href));
}

async function cacheKey(files: readonly URL[], words: readonly string[]): Promise<string> {
  const hash = createHash("sha256").update(JSON.stringify(words));
  for (const file of files) hash.update(await Deno.readFile(file));
  return hash.digest("hex").slice(0, 16);
}

async function exists(file: URL): Promise<boolean> {
  try {
    await Deno.stat(file);
    return true;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}
