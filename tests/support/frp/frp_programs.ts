import { createHash } from "node:crypto";
import { fileURLToPath } from "node:url";

/** What frp consists of. */
const PROGRAMS = ["frps", "frpc"] as const;

/** Where frp's two programs are. */
export type FrpPrograms = Readonly<Record<typeof PROGRAMS[number], string>>;

/** The Go module that holds frp's version and the hashes of everything that goes into it. */
const MODULE = new URL("../../frp/module/", import.meta.url);
const CACHE = new URL("../../.cache/frp/", import.meta.url);
const GO_CANDIDATES = ["go", "/usr/local/go/bin/go"];

/** Why there is no frp; the environment is what all test files of one run share, so that only one of them tries. */
const MISSING_VARIABLE = "PINHOLE_TEST_NO_FRP";

type Found = { readonly programs: FrpPrograms } | { readonly missing: string };

let found: Found | undefined;

/**
 * frps and frpc: of the folder that `FRP_DIR` names, else on PATH, else built once from tests/frp/module with this
 * machine's Go. `undefined` when there are none.
 * @throws {Error} When `FRP_DIR` names a folder without them.
 */
export function findFrp(): FrpPrograms | undefined {
  found ??= look();
  return "programs" in found ? found.programs : undefined;
}

/** What is missing when {@link findFrp} finds nothing, and the command that would mend it. */
export function frpAdvice(): string {
  found ??= look();
  const reason = "missing" in found ? found.missing : "frp is there";
  return `${reason}. To enable: install Go 1.24 or later, or put frps and frpc 0.66 into a folder ` +
    `DIR and run: FRP_DIR=DIR deno task test`;
}

function look(): Found {
  const named = Deno.env.get("FRP_DIR");
  if (named) {
    const programs = programsIn(named);
    if (programs) return { programs };
    throw new Error(`FRP_DIR names "${named}", where frps and frpc are not`);
  }
  const folders = (Deno.env.get("PATH") ?? "").split(":").filter((folder) => folder !== "");
  for (const folder of folders) {
    const programs = programsIn(folder);
    if (programs) return { programs };
  }
  const known = Deno.env.get(MISSING_VARIABLE);
  const built = known === undefined ? build() : { missing: known };
  if ("missing" in built) Deno.env.set(MISSING_VARIABLE, built.missing);
  return built;
}

function programsIn(folder: string): FrpPrograms | undefined {
  const [frps, frpc] = PROGRAMS.map((name) => `${folder.replace(/\/$/, "")}/${name}`);
  return frps && frpc && isFile(frps) && isFile(frpc) ? { frps, frpc } : undefined;
}

function build(): Found {
  const go = GO_CANDIDATES.find((candidate) => runGo(candidate, ["version"]).ok);
  if (go === undefined) return { missing: "no frps and frpc in FRP_DIR or on PATH, and no Go" };
  const target = fileURLToPath(new URL(`${cacheKey()}/`, CACHE));
  Deno.mkdirSync(CACHE, { recursive: true });
  // Whoever comes second waits here, and finds what the first has built. The lock ends with its process.
  using lock = Deno.openSync(new URL("lock", CACHE), { create: true, write: true });
  const exclusive = true;
  lock.lockSync(exclusive);
  const built = programsIn(target);
  if (built) return { programs: built };

  say("Building frps and frpc with Go, for the tests with a real tunnel. This takes a minute …");
  const partial = Deno.makeTempDirSync({ dir: fileURLToPath(CACHE) });
  const { ok, text } = runGo(go, ["build", "-trimpath", "-ldflags=-s -w", "-o", partial, "tool"]);
  if (!ok) {
    Deno.removeSync(partial, { recursive: true });
    return { missing: `frps and frpc cannot be built: ${text.trim().split("\n").at(-1)}` };
  }
  // Left behind by somebody who took the programs out of it.
  if (exists(target)) Deno.removeSync(target, { recursive: true });
  Deno.renameSync(partial, target);
  const programs = programsIn(target);
  return programs ? { programs } : { missing: "Go has built neither frps nor frpc" };
}

function runGo(go: string, args: readonly string[]): { ok: boolean; text: string } {
  try {
    const { success, stderr } = new Deno.Command(go, {
      args: [...args],
      cwd: MODULE,
      env: { CGO_ENABLED: "0", GOFLAGS: "-mod=readonly -buildvcs=false", GOWORK: "off" },
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

/** Another version of frp, or of anything in it, is built anew. */
function cacheKey(): string {
  const hash = createHash("sha256");
  for (const name of ["go.mod", "go.sum"]) hash.update(Deno.readFileSync(new URL(name, MODULE)));
  return hash.digest("hex").slice(0, 16);
}

function isFile(path: string): boolean {
  try {
    return Deno.statSync(path).isFile;
  } catch {
    return false;
  }
}

function exists(path: string): boolean {
  try {
    Deno.statSync(path);
    return true;
  } catch {
    return false;
  }
}

function say(line: string): void {
  Deno.stderr.writeSync(new TextEncoder().encode(`${line}\n`));
}
