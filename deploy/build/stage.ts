import { fileURLToPath } from "node:url";
import { BuildError, runCommand, showStep } from "./command.ts";
import { copyInto, listFiles, writeJson } from "./files.ts";
import { bundleProgram } from "./program.ts";
import type { Revision } from "./revision.ts";
import type { Target } from "./target.ts";

/** The application in a temporary folder, as it is shipped. The caller disposes it. */
export interface Stage extends AsyncDisposable {
  /** Contains deno.json, main.js with the files that it imports, and the native addon in node_modules. */
  readonly folder: string;
  /** The node_modules folder of all packages that the program is made of. */
  readonly packages: string;
  /** Path of the native addon in the folder. */
  readonly addon: string;
}

/** Options of a stage. */
export interface StageOptions {
  /** Folder of the project. */
  readonly root: string;
  readonly revision: Revision;
  readonly target: Target;
}

interface Lock {
  readonly npm: Readonly<Record<string, { readonly integrity: string }>>;
}

/**
 * Bundles main.ts with everything that it needs, from the packages of deno.lock, and adds the addon for the target.
 * @throws {BuildError} If a package does not match deno.lock.
 */
export async function stageApplication(options: StageOptions): Promise<Stage> {
  const { root, target } = options;
  const work = await Deno.makeTempDir({ prefix: "pinhole-build-" });
  const source = `${work}/source`;
  const folder = `${work}/app`;
  try {
    showStep("Collecting the modules and installing their packages");
    for (const path of await findModules(root)) await copyInto(source, { root, path });
    await writeSettings(source, options);
    await installPackages(source, options);
    showStep("Bundling the modules");
    await bundleProgram({ source, output: folder });
    const addon = await addAddon(folder, { source, target });
    return {
      folder,
      packages: `${source}/node_modules`,
      addon,
      [Symbol.asyncDispose]: () => Deno.remove(work, { recursive: true }),
    };
  } catch (error) {
    await Deno.remove(work, { recursive: true });
    throw error;
  }
}

/** Adds the native addon, which cannot be bundled, and the settings. */
async function addAddon(
  folder: string,
  { source, target }: { source: string; target: Target },
): Promise<string> {
  const name = `node_modules/@seydx/node-av-linux-${target.arch}`;
  for (const file of ["package.json", "node-av.node"]) {
    await copyInto(folder, { root: source, path: `${name}/${file}` });
  }
  const { imports: _, ...settings } = JSON.parse(await Deno.readTextFile(`${source}/deno.json`));
  await writeJson(`${folder}/deno.json`, { ...settings, exports: "./main.js" });
  await writeJson(`${folder}/package.json`, { private: true, type: "module" });
  return `${name}/node-av.node`;
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

/** Writes a deno.json that is independent of parent folders, and contains the commit. */
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
  // Deno reads missing settings from package.json files of parent folders, such as the user's home.
  await writeJson(`${folder}/package.json`, {
    private: true,
    type: "module",
    dependencies: Object.fromEntries(Object.values(used).flatMap(parsePackage)),
  });
  await Deno.copyFile(`${root}/deno.lock`, `${folder}/deno.lock`);
}

/** The entries of the import map that modules of the program use. */
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

/** `npm:node-av@6.1.1/lib` → `["node-av", "6.1.1"]`; empty for anything but a package. */
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
    // Without symbolic links, so that the folder can be packed.
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
    throw new BuildError(`Package ${name} does not match deno.lock; run \`deno install\` first`);
  }
  const packages = `${folder}/node_modules`;
  for (const own of [".bin", ".deno"]) {
    await Deno.remove(`${packages}/${own}`, { recursive: true }).catch(() => {});
  }
}
