import { createHash } from "node:crypto";
import { build, type Plugin, stop } from "esbuild";

/** A minified module of the browser client in one file, as pages load it. */
export interface Bundle {
  /** Output path, relative to the project's root. */
  readonly path: string;
  /** The entry module, relative to the project's root. */
  readonly entry: string;
  /** Modules that stay separate, as imported in the entry. */
  readonly external: readonly string[];
}

const VIEWER = "src/viewer";

/** All bundles of the browser client. */
export const BUNDLES: readonly Bundle[] = [
  {
    path: `${VIEWER}/bundle/pinhole.js`,
    entry: `${VIEWER}/pinhole.js`,
    // Few pages check the path, so this code is loaded on demand.
    external: ["./pinhole/path_check.js"],
  },
  {
    path: `${VIEWER}/bundle/path_check.js`,
    entry: `${VIEWER}/pinhole/path_check.js`,
    external: [],
  },
  {
    path: `${VIEWER}/bundle/pinhole_player.js`,
    entry: `${VIEWER}/pinhole_player.js`,
    // A page that uses both must get the same class from both.
    external: ["./pinhole.js"],
  },
];

/** The features of browsers of the last three years, including private members and `Object.hasOwn`. */
const TARGET = "es2022";

/**
 * Makes a bundle.
 * @param root The project's folder.
 * @returns A module. Its first line has a hash of its sources; see `src/viewer/client.ts`.
 */
export async function makeBundle(
  { entry, external }: Bundle,
  root: URL = new URL("../../", import.meta.url),
): Promise<string> {
  try {
    const { outputFiles, metafile } = await build({
      absWorkingDir: decodeURIComponent(root.pathname),
      entryPoints: [entry],
      bundle: true,
      minify: true,
      format: "esm",
      target: TARGET,
      // The bundle must not depend on a tsconfig.json of the host.
      tsconfigRaw: {},
      legalComments: "none",
      metafile: true,
      write: false,
      plugins: [keepOutside(external)],
    });
    const sources = Object.keys(metafile.inputs);
    const [file] = outputFiles;
    if (file === undefined) throw new Error(`esbuild made nothing of ${entry}`);
    return `${await formatHead(sources, root)}\n${file.text}`;
  } finally {
    await stop();
  }
}

/** esbuild's own option resolves paths first, which makes them absolute. */
function keepOutside(external: readonly string[]): Plugin {
  return {
    name: "keep-outside",
    setup({ onResolve }) {
      onResolve(
        { filter: /./ },
        ({ path }) => external.includes(path) ? { path, external: true } : undefined,
      );
    },
  };
}

async function formatHead(sources: readonly string[], root: URL): Promise<string> {
  const names = sources.map((path) => path.slice(`${VIEWER}/`.length)).sort();
  const hash = createHash("sha256");
  for (const name of names) {
    hash.update(await Deno.readTextFile(new URL(`${VIEWER}/${name}`, root)));
  }
  const digest = hash.digest("base64url").slice(0, 22);
  return `// Pinhole's browser client, MIT licence. Made from ${names.join(" ")} (${digest}).`;
}
