import { createHash } from "node:crypto";
import { fileURLToPath } from "node:url";

/** Folder of the C header alone: what renderer libraries are compiled with. */
export const INCLUDE: URL = new URL("../../../src/renderer/native/include/", import.meta.url);
/** Folder of the reference libraries, which some libraries of the tests are made from. */
const NATIVE = new URL("../../../src/renderer/native/", import.meta.url);
const RENDERERS = new URL("../../testdata/renderers/", import.meta.url);
const CACHE = new URL("../../.cache/native/", import.meta.url);

const WARNINGS = ["-Wall", "-Wextra", "-Wpedantic", "-Werror"];
const C_FLAGS = ["-std=c11", ...WARNINGS];
const EMULATED_CUDA_FLAGS = [
  "-x",
  "c++",
  "-std=c++17",
  ...WARNINGS,
  `-I${fileURLToPath(new URL("emulated_cuda/", RENDERERS))}`,
];
const SANITIZER_FLAGS = ["-g", "-fsanitize=address,undefined", "-fno-sanitize-recover=all"];
const LIBRARY_FLAGS = ["-O2", "-fPIC", "-shared", "-fvisibility=hidden"];

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
  return compileLibrary(new URL(`${name}.c`, RENDERERS), [...C_FLAGS, ...flags]);
}

/**
 * Compiles a library for CUDA against an emulation of CUDA's runtime on the CPU: see testdata/renderers/emulated_cuda.
 * @param options.lazy Whether work on a stream is left until somebody waits for it.
 * @param options.source Default: the CUDA reference library.
 * @returns Path of the shared library.
 */
export function compileEmulatedCuda(
  { lazy = false, source = new URL("reference.cu", NATIVE) }: { lazy?: boolean; source?: URL } = {},
): Promise<string> {
  const flags = lazy ? [...EMULATED_CUDA_FLAGS, "-DLAZY"] : EMULATED_CUDA_FLAGS;
  return compileLibrary(source, flags);
}

/**
 * Compiles a source into a shared library, unless that was done before with the same sources, flags and compiler.
 * Warnings are errors.
 * @param flags Language and standard (default: C11), and more.
 * @returns Path of the shared library.
 * @throws With what to install when there is no compiler, and with the compiler's words when it fails.
 */
export function compileLibrary(source: URL, flags: readonly string[] = C_FLAGS): Promise<string> {
  return compile(source, { suffix: ".so", flags: [...LIBRARY_FLAGS, ...flags] });
}

/**
 * Compiles testdata/renderers/exercise.c around a reference library, with the sanitizers for addresses and undefined
 * behaviour.
 * @returns Path of the program.
 */
export function compileExercise(source: "reference.c" | "reference.cu"): Promise<string> {
  const language = source === "reference.c" ? C_FLAGS : EMULATED_CUDA_FLAGS;
  return compile(new URL("exercise.c", RENDERERS), {
    suffix: "",
    flags: [...language, ...SANITIZER_FLAGS, `-DSOURCE="${source}"`],
  });
}

/**
 * Compiles a C source into a program, with the caching of {@link compileLibrary}.
 * @param options.libraries Names of libraries beside libc, such as `crypto`.
 * @returns Path of the program.
 * @throws With what to install when there is no compiler, and with the compiler's words when it fails.
 */
export function compileProgram(
  source: URL,
  { libraries }: { libraries: readonly string[] },
): Promise<string> {
  return compile(source, { suffix: "", flags: ["-O2", ...C_FLAGS], libraries });
}

/** Whether the compiler has the sanitizers, whose libraries are a package of their own with some. */
export async function hasSanitizers(): Promise<boolean> {
  const output = await Deno.makeTempFile();
  const flags = [...SANITIZER_FLAGS, "-shared", "-x", "c", "/dev/null", "-o", output];
  const { ok } = await runCompiler(await findCompiler(), flags);
  await Deno.remove(output);
  return ok;
}

async function compile(
  source: URL,
  { suffix, flags, libraries = [] }: {
    suffix: string;
    flags: readonly string[];
    libraries?: readonly string[];
  },
): Promise<string> {
  const compiler = await findCompiler();
  const name = source.pathname.slice(source.pathname.lastIndexOf("/") + 1).replace(/\.\w+$/, "");
  const key = await cacheKey([source, ...await sources()], [compiler, ...flags]);
  const target = new URL(`${name}-${key}${suffix}`, CACHE);
  if (await exists(target)) return fileURLToPath(target);

  await Deno.mkdir(CACHE, { recursive: true });
  // Tests may compile the same source at the same time: each into a file of its own, moved into place when whole.
  const partial = new URL(`${name}-${key}.${crypto.randomUUID()}`, CACHE);
  const result = await runCompiler(compiler, [
    ...flags,
    `-I${fileURLToPath(INCLUDE)}`,
    `-I${fileURLToPath(NATIVE)}`,
    "-o",
    fileURLToPath(partial),
    fileURLToPath(source),
    // What comes behind it is a library and no source, whatever language the flags say.
    "-x",
    "none",
    ...(flags.includes("c++") ? ["-lstdc++"] : []),
    ...libraries.map((name) => `-l${name}`),
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
  const header = fileURLToPath(new URL(name, INCLUDE));
  const flags = ["-x", language, `-std=${standard}`, "-fsyntax-only", ...WARNINGS];
  return await runCompiler(await findCompiler(), [...flags, header]);
}

/** Whether the compiler knows C++, which is a package of its own with some. */
export async function hasCplusplus(): Promise<boolean> {
  const flags = ["-x", "c++", "-fsyntax-only", "/dev/null"];
  return (await runCompiler(await findCompiler(), flags)).ok;
}

/**
 * The compiler that `PINHOLE_CC` names, or the first of the usual ones that runs.
 * @throws With what to install when there is none.
 */
export async function findCompiler(): Promise<string> {
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

/** Everything that a source may include. */
async function sources(): Promise<URL[]> {
  const found: URL[] = [];
  for (const folder of [INCLUDE, NATIVE, RENDERERS, new URL("emulated_cuda/", RENDERERS)]) {
    for await (const { name, isFile } of Deno.readDir(folder)) {
      if (isFile) found.push(new URL(name, folder));
    }
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
