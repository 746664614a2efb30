/**
 * `deno task release`: writes a tar.gz with the executable and its accompanying files, and the checksums of all
 * releases in dist. The same commit, built with the same Deno, gives the same bytes.
 */
import { parseArgs } from "node:util";
import { CLIENT_SOURCES } from "../../src/viewer/client.ts";
import { writeArchive } from "./archive.ts";
import { showStep } from "./command.ts";
import { compile, ROOT, runTask, say } from "./compile.ts";
import { copyInto, listFiles, sha256 } from "./files.ts";
import { collectLicences, readPackageVersion } from "./licences.ts";
import { readRevision, type Revision } from "./revision.ts";
import { type Stage, stageApplication } from "./stage.ts";
import { findTarget, type Target } from "./target.ts";

const USAGE = `Usage: deno task release [OPTIONS]
  --target TRIPLE    x86_64-unknown-linux-gnu or aarch64-unknown-linux-gnu (default: this machine)
  --output FOLDER    (default: dist)
  --self-extracting, --deno FILE  as of deno task compile`;

/** Files and folders next to the executable. */
const FILES = [
  "README.md",
  "CONTRIBUTING.md",
  "SECURITY.md",
  "LICENSE",
  "CHANGELOG.md",
  "config.toml",
  "frpc.toml",
] as const;
const FOLDERS = ["deploy", "docs", "examples"] as const;
/** Files that running a program in those folders leaves behind. */
const BUILT = /\/(__pycache__|node_modules|dist)\//;

const NOTICES = new URL("notices/", import.meta.url);

/** Options of a release. */
interface ReleaseOptions {
  readonly revision: Revision;
  readonly target: Target;
  /** Folder that the release is written to. */
  readonly output: string;
  readonly selfExtracting: boolean;
  readonly deno: string | undefined;
}

async function release(options: ReleaseOptions): Promise<string> {
  const { revision, target, output } = options;
  // Uncommitted changes must be visible in the name of a release.
  const version = revision.version.endsWith("-dirty") ? revision.version : revision.number;
  const name = `pinhole-${version}-${target.label}`;
  const archive = `${output}/${name}.tar.gz`;
  const work = await Deno.makeTempDir({ prefix: "pinhole-build-" });
  try {
    const folder = `${work}/${name}`;
    await Deno.mkdir(folder);
    await using stage = await stageApplication({ root: ROOT, revision, target });
    await compile({ ...options, stage, output: `${folder}/pinhole` });
    await addFiles(folder);
    await addNotices(folder, { stage, revision });
    showStep("Compressing the release");
    await writeArchive({
      output: archive,
      folder: work,
      names: [name],
      timeS: revision.timeS,
    });
  } finally {
    await Deno.remove(work, { recursive: true });
  }
  return archive;
}

/** Copies documents and files for hosts into a release. */
export async function addFiles(folder: string): Promise<void> {
  for (const path of FILES) await copyInto(folder, { root: ROOT, path });
  for (const below of FOLDERS) {
    for (const name of await listFiles(`${ROOT}/${below}`)) {
      const path = `${below}/${name}`;
      const isOurs = !path.startsWith("deploy/build/") && !BUILT.test(path);
      if (isOurs) await copyInto(folder, { root: ROOT, path });
    }
  }
  await addClient(`${folder}/client`);
  // The header for renderer libraries.
  await Deno.mkdir(`${folder}/include`);
  await Deno.copyFile(
    `${ROOT}/src/renderer/native/include/pinhole.h`,
    `${folder}/include/pinhole.h`,
  );
}

/** Writes the browser client and its types, for sites that serve it themselves. */
async function addClient(folder: string): Promise<void> {
  await Deno.mkdir(`${folder}/pinhole`, { recursive: true });
  for (const [path, text] of CLIENT_SOURCES) await Deno.writeTextFile(`${folder}/${path}`, text);
}

async function addNotices(
  folder: string,
  { stage, revision }: { stage: Stage; revision: Revision },
): Promise<void> {
  const { packages } = stage;
  const notice = (await Deno.readTextFile(new URL("NOTICE.txt", NOTICES)))
    .replaceAll("@VERSION@", revision.version)
    .replaceAll("@DENO@", Deno.version.deno)
    .replaceAll("@NODE_AV@", await readPackageVersion(packages, "node-av"));
  await Deno.writeTextFile(`${folder}/NOTICE`, notice);
  await Deno.copyFile(new URL("GPL-3.0.txt", NOTICES), `${folder}/GPL-3.0.txt`);
  const deno = await Deno.readTextFile(new URL("deno.txt", NOTICES));
  const licences = await collectLicences(packages);
  const text = `Deno ${Deno.version.deno}\n\n${deno}\n${"=".repeat(80)}\n${licences}`;
  await Deno.writeTextFile(`${folder}/THIRD_PARTY_LICENSES.txt`, text);
}

/** Checksums of every release in the folder, in the format of `sha256sum --check`. */
async function writeChecksums(folder: string): Promise<void> {
  const lines: string[] = [];
  for (const name of await listFiles(folder)) {
    if (/^pinhole-[^/]+\.tar\.gz$/.test(name)) {
      lines.push(`${await sha256(`${folder}/${name}`)}  ${name}\n`);
    }
  }
  await Deno.writeTextFile(`${folder}/SHA256SUMS`, lines.join(""));
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    args: [...Deno.args],
    options: {
      "target": { type: "string" },
      "output": { type: "string", default: `${ROOT}/dist` },
      "self-extracting": { type: "boolean", default: false },
      "deno": { type: "string" },
      "help": { type: "boolean", default: false },
    },
  });
  if (values.help) return say(USAGE);
  const { output, deno, "self-extracting": selfExtracting } = values;
  await Deno.mkdir(output, { recursive: true });
  const archive = await release({
    revision: await readRevision(ROOT),
    target: findTarget(values.target),
    output,
    selfExtracting,
    deno,
  });
  await writeChecksums(output);
  say(`${archive} and ${output}/SHA256SUMS`);
}

if (import.meta.main) Deno.exit(await runTask(main));
