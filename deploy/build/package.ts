/**
 * `deno task package`: writes the browser client as a package for npm, as a folder and as a tarball. Options: see
 * {@link USAGE}.
 */
import { parseArgs } from "node:util";
import { CLIENT_SOURCES } from "../../src/viewer/client.ts";
import { writeArchive } from "./archive.ts";
import { ROOT, runTask, say } from "./compile.ts";
import { writeJson } from "./files.ts";
import { readRevision, type Revision } from "./revision.ts";

const USAGE = `Usage: deno task package [OPTIONS]
  --output FOLDER    (default: dist)`;

const NAME = "pinhole-client";

const README = new URL("client_readme.md", import.meta.url);

/** The code with which the served client finds its server; in a package that would be the page's own host. */
const DEFAULT_SERVER = 'if (server === undefined) return new URL(".", HERE);';
const NO_DEFAULT_SERVER = `if (server === undefined) {
    throw new TypeError('Name the Pinhole server: server: "http://HOST:9000/"');
  }`;

/** A written package. */
export interface ClientPackage {
  readonly folder: string;
  /** The file for `npm install FILE`. */
  readonly tarball: string;
}

/** Writes the package in an existing folder. */
export async function writePackage(
  { output, revision }: { output: string; revision: Revision },
): Promise<ClientPackage> {
  const work = await Deno.makeTempDir({ prefix: "pinhole-build-" });
  const folder = `${output}/npm`;
  const tarball = `${output}/${NAME}-${revision.number}.tgz`;
  try {
    // npm requires all files of a tarball to be in one folder.
    await writeFiles(`${work}/package`, revision);
    await writeArchive({
      output: tarball,
      folder: work,
      names: ["package"],
      timeS: revision.timeS,
    });
    await Deno.remove(folder, { recursive: true }).catch(ignoreMissing);
    await writeFiles(folder, revision);
  } finally {
    await Deno.remove(work, { recursive: true });
  }
  return { folder, tarball };
}

async function writeFiles(folder: string, revision: Revision): Promise<void> {
  await Deno.mkdir(`${folder}/pinhole`, { recursive: true });
  for (const [path, source] of CLIENT_SOURCES) {
    const text = path === "pinhole/home.js" ? withoutDefaultServer(source) : source;
    await Deno.writeTextFile(`${folder}/${path}`, text);
  }
  await writeJson(`${folder}/package.json`, describePackage(revision));
  await Deno.copyFile(README, `${folder}/README.md`);
  await Deno.copyFile(`${ROOT}/LICENSE`, `${folder}/LICENSE`);
}

function withoutDefaultServer(source: string): string {
  const text = source.replace(DEFAULT_SERVER, NO_DEFAULT_SERVER)
    // The constant, with the comment before it.
    .replace(/\/\*\*(?:(?!\*\/)[^])*\*\/\nconst HERE = .*\n\n/, "");
  if (text.includes("HERE")) throw new Error("pinhole/home.js is not as the package knows it");
  return text;
}

function describePackage({ number }: Revision): unknown {
  return {
    name: NAME,
    version: number,
    description: "Plays streams of a Pinhole server in web pages, over WebRTC",
    keywords: ["webrtc", "player", "video", "stream", "custom-element"],
    license: "MIT",
    type: "module",
    exports: {
      ".": { types: "./pinhole.d.ts", default: "./pinhole.js" },
      "./player": { types: "./pinhole_player.d.ts", default: "./pinhole_player.js" },
      "./package.json": "./package.json",
    },
    main: "./pinhole.js",
    types: "./pinhole.d.ts",
    // The only module with a side effect on import: it defines the element.
    sideEffects: ["./pinhole_player.js"],
  };
}

function ignoreMissing(error: unknown): void {
  if (!(error instanceof Deno.errors.NotFound)) throw error;
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    args: [...Deno.args],
    options: {
      "output": { type: "string", default: `${ROOT}/dist` },
      "help": { type: "boolean", default: false },
    },
  });
  if (values.help) return say(USAGE);
  const { output } = values;
  await Deno.mkdir(output, { recursive: true });
  const { folder, tarball } = await writePackage({ output, revision: await readRevision(ROOT) });
  say(`${folder} and ${tarball}`);
}

if (import.meta.main) Deno.exit(await runTask(main));
