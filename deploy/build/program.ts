import { builtinModules } from "node:module";
import { build, type Metafile, type Plugin, stop } from "esbuild";

/** Input and output of {@link bundleProgram}. */
export interface ProgramOptions {
  /** Folder with deno.json, main.ts, its modules, and its packages in node_modules. */
  readonly source: string;
  /** Folder that gets main.js and the files that it imports. */
  readonly output: string;
}

/** Folder of everything that main.js imports. */
export const PARTS = "parts";

/** Packages from CommonJS call `require`, which a module of its own does not have. */
const REQUIRE = 'import { createRequire as $createRequire } from "node:module";\n' +
  "const require = $createRequire(import.meta.url);";

/**
 * Joins the modules of the program and of its packages into a few files of JavaScript: Deno starts from them in two
 * thirds of the time that it takes for the modules. What a command imports on demand stays in files of its own.
 */
export async function bundleProgram({ source, output }: ProgramOptions): Promise<void> {
  const { imports } = JSON.parse(await Deno.readTextFile(`${source}/deno.json`));
  try {
    const { metafile, outputFiles } = await build({
      absWorkingDir: source,
      entryPoints: ["main.ts"],
      outdir: output,
      // Two folders deep: node-av looks for a library two folders above itself, which must not be outside the program.
      chunkNames: `${PARTS}/shared/[name]-[hash]`,
      bundle: true,
      splitting: true,
      // Names stay, for stacks.
      minifyWhitespace: true,
      format: "esm",
      platform: "node",
      target: "esnext",
      // The bundle must not depend on a tsconfig.json of the host.
      tsconfigRaw: {},
      charset: "utf8",
      legalComments: "none",
      banner: { js: REQUIRE },
      metafile: true,
      write: false,
      plugins: [resolveImports(imports), readTexts()],
    });
    await Deno.mkdir(`${output}/${PARTS}/shared`, { recursive: true });
    for (const { path, text } of outputFiles) {
      await Deno.writeTextFile(path, hideDynamicImports(text, metafile));
    }
  } finally {
    await stop();
  }
}

/**
 * Before it runs a program, Deno reads and analyses all that it may import, unless the names are not literals. That
 * takes 0.3 s at the first start, most of it for the doctor's viewer.
 */
function hideDynamicImports(text: string, { outputs }: Metafile): string {
  const names = new Set(Object.keys(outputs).map(baseName));
  return text.replaceAll(
    /\bimport\(("\.[^"]+")\)/g,
    // Scripts of the viewer, which are texts here, import too.
    (whole, name: string) =>
      names.has(baseName(JSON.parse(name))) ? `import(String(${name}))` : whole,
  );
}

function baseName(path: string): string {
  return path.slice(path.lastIndexOf("/") + 1);
}

/** Resolves the names of the import map, and the modules of Node with and without `node:`. */
function resolveImports(imports: Readonly<Record<string, string>>): Plugin {
  const resolved = Symbol("resolved");
  return {
    name: "resolve-imports",
    setup({ onResolve, resolve }) {
      onResolve({ filter: /^[a-z@]/ }, ({ path, pluginData, ...rest }) => {
        if (pluginData === resolved) return undefined;
        const name = imports[path]?.replace(/^npm:((?:@[^/]+\/)?[^/@]+)@[^/]+/, "$1") ?? path;
        if (name.startsWith("node:")) return { path: name, external: true };
        if (name === path && builtinModules.includes(name)) {
          return { path: `node:${name}`, external: true };
        }
        return name === path ? undefined : resolve(name, { ...rest, pluginData: resolved });
      });
    },
  };
}

/** Reads what is imported `with { type: "text" }` as text, scripts of the viewer included. */
function readTexts(): Plugin {
  return {
    name: "read-texts",
    setup({ onLoad }) {
      onLoad(
        { filter: /./ },
        async ({ path, with: { type } }) =>
          type === "text" ? { contents: await Deno.readTextFile(path), loader: "text" } : undefined,
      );
    },
  };
}
