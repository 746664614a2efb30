import { createHash } from "node:crypto";
import { fileURLToPath } from "node:url";
import { hostAddress } from "../../support/clients/client_programs.ts";
import {
  compileLibrary,
  compileProgram,
  compileReference,
} from "../../support/renderers/native.ts";
import type { Progress } from "../figure.ts";
import { buildPeer } from "../peer_process.ts";

const PEERS = new URL("../peers/", import.meta.url);
const CLIENTS = new URL("../../clients/", import.meta.url);
const CACHE = new URL("../../.cache/bench/", import.meta.url);

/** What is measured, built once. What is `undefined` could not be built, and {@link Programs.skipped} says why. */
export interface Programs {
  /** Pion's server, and the viewers of all servers. */
  readonly pion: string;
  /** A command of aiortc's server, without its way. */
  readonly aiortc: readonly [python: string, script: string] | undefined;
  /** The limit in C. */
  readonly limit: string | undefined;
  /** Our renderer of encoded pictures, and the reference, which draws. */
  readonly stream: string;
  readonly reference: string;
  /** Name and reason of each program that is missing. */
  readonly skipped: ReadonlyMap<string, string>;
}

/**
 * Builds the peers into a cache folder, unless that was done before.
 * @throws When there is no Go, whose viewers everything needs, or no C compiler.
 */
export async function buildPrograms(progress: Progress): Promise<Programs> {
  const skipped = new Map<string, string>();
  const attempt = async <T>(name: string, build: () => Promise<T>): Promise<T | undefined> => {
    progress(`${name} is built, unless it was`);
    try {
      return await build();
    } catch (error) {
      skipped.set(name, firstLine(error));
      return undefined;
    }
  };
  const source = new URL("limit/limit.c", PEERS);
  return {
    pion: await buildPeer(progress),
    aiortc: await attempt("aiortc", installAiortc),
    limit: await attempt(
      "limit in C",
      () => compileProgram(source, { libraries: ["crypto", "pthread"] }),
    ),
    stream: await compileLibrary(new URL("../stream.c", import.meta.url)),
    reference: await compileReference(),
    skipped,
  };
}

/** @returns The command of its server. @throws With the reason when it cannot be installed, or cannot run here. */
async function installAiortc(): Promise<readonly [python: string, script: string]> {
  if (hostAddress() === undefined) {
    throw new Error("it uses no loopback address, and this host has no other");
  }
  const requirements = new URL("aiortc/requirements.txt", PEERS);
  const hash = createHash("sha256").update(await Deno.readFile(requirements));
  hash.update(await Deno.readFile(new URL("aiortc/requirements.txt", CLIENTS)));
  const target = fileURLToPath(new URL(`aiortc-${hash.digest("hex").slice(0, 16)}`, CACHE));
  const python = `${target}/bin/python`;
  const script = fileURLToPath(new URL("aiortc/server.py", PEERS));
  // What is there may have been broken off.
  if (!await succeeds(python, ["-c", "import aiortc, uvloop"])) {
    await Deno.mkdir(CACHE, { recursive: true });
    await run("python3", ["-m", "venv", target]);
    const install = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check"];
    await run(python, [...install, "--only-binary=:all:", "-r", fileURLToPath(requirements)]);
  }
  return [python, script];
}

async function succeeds(program: string, args: readonly string[]): Promise<boolean> {
  try {
    await run(program, args);
    return true;
  } catch {
    return false;
  }
}

async function run(program: string, args: readonly string[]): Promise<void> {
  const command = new Deno.Command(program, { args: [...args], stdout: "null", stderr: "piped" });
  const { success, stderr } = await command.output();
  if (!success) throw new Error(`${program} failed: ${new TextDecoder().decode(stderr).trim()}`);
}

function firstLine(error: unknown): string {
  return (error instanceof Error ? error.message : String(error)).split("\n", 1)[0] ?? "";
}
