import { basename } from "node:path";
import { fileURLToPath } from "node:url";
import { INCLUDE } from "./native.ts";

const REFERENCE = new URL("../../../src/renderer/native/reference.cu", import.meta.url);
const CACHE = fileURLToPath(new URL("../../.cache/", import.meta.url));
/** Where packages of PyPI are put; nothing of the host's own Python is touched. */
const PACKAGES = `${CACHE}cuda`;

/**
 * The compiler, its parts, and the runtime that is linked in. 13.0 is the oldest with the whole compiler on PyPI, and
 * what it makes runs with every driver since 580.
 */
const REQUIREMENTS = [
  "nvidia-cuda-nvcc==13.0.88",
  "nvidia-nvvm==13.0.88",
  "nvidia-cuda-crt==13.0.88",
  "nvidia-cuda-runtime==13.0.96",
  "nvidia-cuda-cccl==13.0.85",
];

/** From Turing to Blackwell: machine code for each, so that no first frame waits for a translation. */
const ARCHITECTURES = ["75", "80", "86", "89", "90", "100", "120"];

/** A compiler for CUDA. */
export interface Nvcc {
  readonly path: string;
  /** Folders of libraries that it does not find by itself. */
  readonly libraries: readonly string[];
}

/** Why something cannot be done here; one line. */
export interface Unavailable {
  readonly reason: string;
}

/** What a command printed. */
interface Output {
  readonly ok: boolean;
  /** Standard output and error. */
  readonly text: string;
}

/**
 * Finds a compiler: the one that `NVCC` names, on the PATH, in /usr/local/cuda, or the one that was installed before;
 * else installs NVIDIA's packages of PyPI (270 MB) into the tests' cache.
 */
export async function findNvcc(): Promise<Nvcc | Unavailable> {
  const chosen = Deno.env.get("NVCC");
  for (const path of chosen ? [chosen] : ["nvcc", "/usr/local/cuda/bin/nvcc"]) {
    if ((await run(path, ["--version"])).ok) return { path, libraries: [] };
  }
  if (chosen) return { reason: `NVCC names "${chosen}", which does not run` };
  return await findInstalled() ?? await install();
}

/**
 * Compiles a library for CUDA for every architecture that the compiler knows, with the runtime linked in. Warnings are
 * errors.
 * @param options.source Default: the CUDA reference library.
 * @returns Path of the shared library.
 * @throws With the compiler's words when it fails.
 */
export async function buildCuda(
  { path, libraries }: Nvcc,
  { source = REFERENCE }: { source?: URL } = {},
): Promise<string> {
  const file = fileURLToPath(source);
  const library = `${CACHE}native/lib${basename(file, ".cu")}_cuda.so`;
  const known = (await run(path, ["--list-gpu-arch"])).text;
  const targets = ARCHITECTURES.filter((number) =>
    known.split(/\s+/).includes(`compute_${number}`)
  );
  const partial = `${library}.${crypto.randomUUID()}`;
  await Deno.mkdir(`${CACHE}native`, { recursive: true });
  const { ok, text } = await run(path, [
    ...["-std=c++17", "-O2", "-shared", "--cudart=static", "--threads=2"],
    ...["--compiler-options=-fPIC,-fvisibility=hidden,-Wall,-Wextra", "--Werror=all-warnings"],
    ...targets.map((number) => `--generate-code=arch=compute_${number},code=sm_${number}`),
    // Newer processors than these translate this.
    ...targets.slice(-1).map((number) =>
      `--generate-code=arch=compute_${number},code=compute_${number}`
    ),
    ...libraries.map((folder) => `-L${folder}`),
    ...[`-I${fileURLToPath(INCLUDE)}`, "-o", partial, file],
  ]);
  if (!ok) throw new Error(`Cannot compile ${file}:\n${text}`);
  await Deno.rename(partial, library);
  return library;
}

/** Whether this host has an NVIDIA GPU that programs may use. */
export async function hasGpu(): Promise<boolean> {
  const device = await Deno.stat("/dev/nvidiactl").catch(() => undefined);
  return device !== undefined || (await run("nvidia-smi", ["-L"])).ok;
}

/** A compiler of PyPI's packages, under `nvidia/cu13` since CUDA 13. */
async function findInstalled(): Promise<Nvcc | undefined> {
  const root = `${PACKAGES}/nvidia/cu13`;
  const nvcc = { path: `${root}/bin/nvcc`, libraries: [`${root}/lib`] };
  return (await run(nvcc.path, ["--version"])).ok ? nvcc : undefined;
}

async function install(): Promise<Nvcc | Unavailable> {
  const partial = `${PACKAGES}.${crypto.randomUUID()}`;
  const pip = [
    ...["-m", "pip", "install", "--quiet", "--no-input", "--disable-pip-version-check"],
    // Without a network it shall say so soon.
    ...["--retries", "1", "--timeout", "15"],
  ];
  const { ok, text } = await run("python3", [
    ...pip,
    ...["--no-deps", "--only-binary=:all:", "--target", partial, ...REQUIREMENTS],
  ]);
  if (!ok) {
    await Deno.remove(partial, { recursive: true }).catch(() => {});
    const why = text.trim().split("\n").at(-1) ?? "";
    return { reason: `There is no nvcc, and PyPI's nvidia-cuda-nvcc cannot be installed (${why})` };
  }
  // Whoever installed it at the same time has the same.
  await Deno.rename(partial, PACKAGES).catch(() => Deno.remove(partial, { recursive: true }));
  return await findInstalled() ?? { reason: "PyPI's nvidia-cuda-nvcc does not run on this host" };
}

async function run(command: string, args: readonly string[]): Promise<Output> {
  try {
    const { success, stdout, stderr } = await new Deno.Command(command, { args: [...args] })
      .output();
    const decoder = new TextDecoder();
    return { ok: success, text: decoder.decode(stdout) + decoder.decode(stderr) };
  } catch (error) {
    if (error instanceof Deno.errors.NotFound || error instanceof Deno.errors.PermissionDenied) {
      return { ok: false, text: error.message };
    }
    throw error;
  }
}
