import { createHash } from "node:crypto";
import { networkInterfaces } from "node:os";
import { fileURLToPath } from "node:url";

/** Clients that are not ours, each in the folder of this name in tests/clients. */
export const CLIENTS = ["aiortc", "pion", "libdatachannel", "gstreamer", "str0m"] as const;

/** One of {@link CLIENTS}. */
export type ClientKind = typeof CLIENTS[number];

/** How a client's program comes into being. */
interface Recipe {
  /** Files of its folder that decide whether it is built again. */
  readonly sources: readonly string[];
  /** What a build takes, in words. */
  readonly with: string;
  /** Tools without which there is no build: each a command that succeeds where the tool is. */
  readonly tools: Readonly<Record<string, Command>>;
  /** Commands that fill the folder `target`, one after another. */
  readonly build: (target: string) => readonly Command[];
  /** The command that starts the program. */
  readonly run: (target: string) => Command;
  /** What the person at this machine can do where it cannot be built. */
  readonly advice: string;
  /** It takes no loopback address for its own candidates, so that the host needs another. */
  readonly needsAddress?: boolean;
}

type Command = readonly [program: string, ...args: string[]];

type Found = { readonly command: Command } | { readonly missing: string };

const FOLDER = new URL("../../clients/", import.meta.url);
const CACHE = new URL("../../.cache/clients/", import.meta.url);
const GO = "/usr/local/go/bin";

/** Debian's GStreamer comes with bindings for Debian's Python alone. */
const SYSTEM_PYTHON = "/usr/bin/python3";

const DEBIAN_PACKAGES = [
  "gir1.2-gst-plugins-bad-1.0",
  "gstreamer1.0-libav",
  "gstreamer1.0-nice",
  "gstreamer1.0-plugins-bad",
  "gstreamer1.0-plugins-base",
  "gstreamer1.0-plugins-good",
  "python3-gst-1.0",
] as const;

const IMPORT_GSTREAMER = [
  "import gi",
  "gi.require_version('GstWebRTC', '1.0')",
  "from gi.repository import Gst, GstWebRTC",
  "Gst.init(None)",
  "names = 'webrtcbin nicesink sctpdec avdec_h264 vp8dec opusdec srtpdec'.split()",
  "raise SystemExit(any(Gst.ElementFactory.find(name) is None for name in names))",
].join("\n");

const RECIPES: Readonly<Record<ClientKind, Recipe>> = {
  aiortc: {
    sources: ["requirements.txt"],
    with: "pip",
    tools: { "Python 3.10 with venv": ["python3", "-c", "import ensurepip, venv"] },
    build: (target) => [
      ["python3", "-m", "venv", target],
      [
        `${target}/bin/pip`,
        "install",
        "--quiet",
        "--disable-pip-version-check",
        "--only-binary=:all:",
        "--requirement=requirements.txt",
      ],
    ],
    run: (target) => [`${target}/bin/python`, "-u", `${folderOf("aiortc")}client.py`],
    advice: "install Python 3.10 or later with its module venv",
    needsAddress: true,
  },
  pion: {
    sources: ["go.mod", "go.sum", "main.go"],
    with: "Go",
    tools: { "Go 1.24": ["go", "version"] },
    build: (target) => [["go", "build", "-trimpath", "-o", `${target}/client`, "."]],
    run: (target) => [`${target}/client`],
    advice: "install Go 1.24 or later",
  },
  libdatachannel: {
    sources: ["package.json", "package-lock.json", "client.mjs"],
    with: "npm",
    tools: { "Node 20": ["node", "--version"], npm: ["npm", "--version"] },
    build: (target) => [
      ["cp", "package.json", "package-lock.json", "client.mjs", target],
      ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--prefix", target],
    ],
    run: (target) => ["node", `${target}/client.mjs`],
    advice: "install Node 20 or later with npm",
  },
  gstreamer: {
    sources: [],
    with: "apt-get",
    tools: {},
    build: () => [[SYSTEM_PYTHON, "-c", IMPORT_GSTREAMER]],
    run: () => [SYSTEM_PYTHON, "-u", `${folderOf("gstreamer")}client.py`],
    advice: `sudo apt-get install -y --no-install-recommends ${DEBIAN_PACKAGES.join(" ")}`,
    needsAddress: true,
  },
  str0m: {
    sources: ["Cargo.toml", "Cargo.lock", "src/main.rs"],
    with: "Cargo",
    tools: { "Rust 1.85": ["cargo", "--version"], "a C compiler": ["cc", "--version"] },
    build: (target) => [["cargo", "build", "--locked", "--quiet", "--target-dir", target]],
    run: (target) => [`${target}/debug/str0m-client`],
    advice: "install Rust 1.85 or later and a C compiler",
  },
};

const found = new Map<ClientKind, Found>();

/** The command that starts a client's program, which is built where that was not done yet. */
export function findClient(kind: ClientKind): Command | undefined {
  const result = look(kind);
  return "command" in result ? result.command : undefined;
}

/** What is missing when {@link findClient} finds nothing, and what would mend it. */
export function clientAdvice(kind: ClientKind): string {
  const result = look(kind);
  const reason = "missing" in result ? result.missing : "it is there";
  return `${kind}: ${reason}. To enable: ${RECIPES[kind].advice}`;
}

/** An IPv4 address of this host that is none of loopback. */
export function hostAddress(): string | undefined {
  return Object.values(networkInterfaces()).flat()
    .find((each) => each?.family === "IPv4" && !each.internal)?.address;
}

function look(kind: ClientKind): Found {
  const known = found.get(kind);
  if (known !== undefined) return known;
  // All test files of a run share the environment, so that only the first of them tries in vain.
  const variable = `PINHOLE_TEST_NO_${kind.toUpperCase()}`;
  const missing = Deno.env.get(variable);
  const result = missing === undefined ? build(kind) : { missing };
  if ("missing" in result) Deno.env.set(variable, result.missing);
  found.set(kind, result);
  return result;
}

function build(kind: ClientKind): Found {
  const recipe = RECIPES[kind];
  if (recipe.needsAddress && hostAddress() === undefined) {
    return { missing: "it uses no loopback address, and this host has no other" };
  }
  const target = fileURLToPath(new URL(`${kind}-${cacheKey(kind)}`, CACHE));
  Deno.mkdirSync(CACHE, { recursive: true });
  // Who comes second waits here, and finds what the first has built. The lock ends with its process.
  using lock = Deno.openSync(new URL(`${kind}.lock`, CACHE), { create: true, write: true });
  const exclusive = true;
  lock.lockSync(exclusive);
  const done = `${target}/done`;
  if (!isFile(done)) {
    const missing = fill(target, kind);
    if (missing !== undefined) return { missing };
    // What Debian installed may be gone the next time.
    if (recipe.sources.length > 0) Deno.writeTextFileSync(done, "");
  }
  return { command: recipe.run(target) };
}

/** Builds a client into a folder. @returns Why that cannot be done, where it cannot. */
function fill(target: string, kind: ClientKind): string | undefined {
  const recipe = RECIPES[kind];
  const absent = Object.keys(recipe.tools).find((tool) => !run(recipe.tools[tool] ?? [""]).ok);
  if (absent !== undefined) return `no ${absent}`;
  if (kind === "gstreamer") installGStreamer();
  else say(`Building a client from ${kind} with ${recipe.with}, for tests/clients …`);
  Deno.mkdirSync(target, { recursive: true });
  for (const command of recipe.build(target)) {
    // Other suites run meanwhile, and theirs is the time that counts.
    const { ok, text } = run(["nice", ...command], folderOf(kind));
    if (!ok) return `${command[0]} failed: ${lastLine(text)}`;
  }
  return undefined;
}

/** Installs Debian's packages where they are not there and this process may. */
function installGStreamer(): void {
  if (run([SYSTEM_PYTHON, "-c", IMPORT_GSTREAMER]).ok) return;
  if (Deno.build.os !== "linux" || Deno.uid() !== 0) return;
  say("Installing GStreamer with apt-get, for tests/clients …");
  const apt = ["apt-get", "-o", "DPkg::Lock::Timeout=300", "-q"] as const;
  run([...apt, "update"]);
  run([...apt, "install", "-y", "--no-install-recommends", ...DEBIAN_PACKAGES]);
}

function run([program, ...args]: Command, cwd = "/"): { ok: boolean; text: string } {
  try {
    const path = `${Deno.env.get("PATH") ?? ""}:${GO}`;
    const { success, stderr } = new Deno.Command(program, {
      args,
      cwd,
      env: {
        PATH: path,
        DEBIAN_FRONTEND: "noninteractive",
        GOFLAGS: "-mod=readonly -buildvcs=false",
      },
      stdin: "null",
      stdout: "null",
      stderr: "piped",
    }).outputSync();
    return { ok: success, text: new TextDecoder().decode(stderr) };
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return { ok: false, text: error.message };
    throw error;
  }
}

function cacheKey(kind: ClientKind): string {
  const hash = createHash("sha256");
  for (const name of RECIPES[kind].sources) {
    hash.update(Deno.readFileSync(`${folderOf(kind)}${name}`));
  }
  return hash.digest("hex").slice(0, 16);
}

function folderOf(kind: ClientKind): string {
  return fileURLToPath(new URL(`${kind}/`, FOLDER));
}

function lastLine(text: string): string {
  return text.trim().split("\n").at(-1) ?? "";
}

function isFile(path: string): boolean {
  try {
    return Deno.statSync(path).isFile;
  } catch {
    return false;
  }
}

function say(line: string): void {
  Deno.stderr.writeSync(new TextEncoder().encode(`${line}\n`));
}
