import { fileURLToPath } from "node:url";
import { BuildError, runCommand, showStep } from "./command.ts";
import { copyInto, exists, listFiles, writeJson } from "./files.ts";
import type { Revision } from "./revision.ts";
import type { Target } from "./target.ts";

/** The application in a folder of its own, as it is shipped. Whoever made it disposes of it. */
export interface Stage extends AsyncDisposable {
  /** Holds deno.json, main.ts, the modules and assets that main.ts needs, and its packages in node_modules. */
  readonly folder: string;
  /** The native addon's path in it. */
  readonly addon: string;
}

/** What a stage is made of. */
export interface StageOptions {
  /** Folder of the project. */
  readonly root: string;
  readonly revision: Revision;
  readonly target: Target;
}

interface Lock {
  readonly npm: Readonly<Record<string, { readonly integrity: string }>>;
}

/** Files of packages that nothing loads at run time. */
const NEEDLESS_FILE = /\.(?:map|d\.[cm]?ts)$/;

/**
 * Folders of packages that nothing loads at run time. Besides, `deno compile` 2.9 overflows its stack when it parses some
 * packages' test data.
 */
const NEEDLESS_FOLDERS: ReadonlySet<string> = new Set([
  "benchmark",
  "example",
  "examples",
  "test",
  "tests",
]);

/**
 * Copies what main.ts needs into a folder, with the packages of deno.lock for the target.
 * @throws {BuildError} When a package is not that of deno.lock.
 */
export async function stageApplication(options: StageOptions): Promise<Stage> {
  const { root, target } = options;
  const folder = await Deno.makeTempDir({ prefix: "pinhole-build-" });
  try {
    showStep("Collecting the modules and installing their packages");
    for (const path of await findModules(root)) await copyInto(folder, { root, path });
    await writeSettings(folder, options);
    await installPackages(folder, options);
    const addon = `node_modules/@seydx/node-av-linux-${target.arch}/node-av.node`;
    await Deno.stat(`${folder}/${addon}`);
    return {
      folder,
      addon,
      [Symbol.asyncDispose]: () => Deno.remove(folder, { recursive: true }),
    };
  } catch (error) {
    await Deno.remove(folder, { recursive: true });
    throw error;
  }
}

/** The modules and assets that main.ts imports, relative to the root. */
async function findModules(root: string): Promise<string[]> {
  const text = await runCommand([Deno.execPath(), "info", "--json", "main.ts"], { cwd: root });
  const { modules } = JSON.parse(text) as { modules: readonly { readonly specifier: string }[] };
  return modules
    .filter(({ specifier }) => specifier.startsWith("file:"))
    .map(({ specifier }) => fileURLToPath(specifier).slice(root.length + 1))
    .filter((path) => path !== "deno.json");
}

/** Writes a deno.json that is independent of any folder above it, and knows its commit. */
async function writeSettings(folder: string, { root, revision }: StageOptions): Promise<void> {
  const { name, exports, license, unstable, imports, compilerOptions } = JSON.parse(
    await Deno.readTextFile(`${root}/deno.json`),
  );
  const used = await usedImports(folder, imports);
  await writeJson(`${folder}/deno.json`, {
    name,
    version: revision.version,
    exports,
    license,
    workspace: [],
    nodeModulesDir: "manual",
    unstable,
    imports: used,
    compilerOptions,
  });
  // Deno asks the package.json files of all folders above for what the nearest one does not answer; a user's home may
  // have one.
  await writeJson(`${folder}/package.json`, {
    private: true,
    type: "module",
    dependencies: Object.fromEntries(Object.values(used).flatMap(parsePackage)),
  });
  await Deno.copyFile(`${root}/deno.lock`, `${folder}/deno.lock`);
}

/** Those entries of the import map that a module of the program names. */
async function usedImports(
  folder: string,
  imports: Readonly<Record<string, string>>,
): Promise<Record<string, string>> {
  let text = "";
  for (const path of await listFiles(folder)) {
    if (path.endsWith(".ts")) text += await Deno.readTextFile(`${folder}/${path}`);
  }
  return Object.fromEntries(
    Object.entries(imports).filter(([name]) => text.includes(` from "${name}"`)),
  );
}

/** `npm:node-av@6.1.1/lib` → `["node-av", "6.1.1"]`; nothing for what is no package. */
function parsePackage(specifier: string): [name: string, version: string][] {
  const [, name, version] = /^npm:((?:@[^/]+\/)?[^/@]+)@([^/]+)/.exec(specifier) ?? [];
  return name === undefined || version === undefined ? [] : [[name, version]];
}

async function installPackages(folder: string, { root, target }: StageOptions): Promise<void> {
  await runCommand([
    Deno.execPath(),
    "install",
    "--entrypoint",
    "main.ts",
    "--node-modules-dir=manual",
    // Without links, so that the folder can be packed and read by anything.
    "--node-modules-linker=hoisted",
    "--os=linux",
    `--arch=${target.arch}`,
  ], { cwd: folder });
  const [ours, theirs] = await Promise.all(
    [root, folder].map(async (at): Promise<Lock> =>
      JSON.parse(await Deno.readTextFile(`${at}/deno.lock`))
    ),
  );
  for (const [name, { integrity }] of Object.entries(theirs?.npm ?? {})) {
    if (ours?.npm[name]?.integrity === integrity) continue;
    throw new BuildError(`Package ${name} is not that of deno.lock; run \`deno install\` first`);
  }
  const packages = `${folder}/node_modules`;
  for (const own of [".bin", ".deno"]) {
    await Deno.remove(`${packages}/${own}`, { recursive: true }).catch(() => {});
  }
  await Deno.remove(`${folder}/deno.lock`);
  await prune(packages);
}

/** Deletes files only, as those of Deno's cache may be the very same. */
async function prune(folder: string): Promise<void> {
  const isPackage = await exists(`${folder}/package.json`);
  for await (const { name, isDirectory } of Deno.readDir(folder)) {
    const path = `${folder}/${name}`;
    if (isDirectory && isPackage && NEEDLESS_FOLDERS.has(name)) {
      await Deno.remove(path, { recursive: true });
    } else if (isDirectory) {
      await prune(path);
    } else if (NEEDLESS_FILE.test(name)) {
      await Deno.remove(path);
    }
  }
}
