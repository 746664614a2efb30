import { buildExecutable, openFolder } from "../support/servers/executable.ts";
import { type Launch, ServerProcess } from "../support/servers/server_process.ts";
import { type Figure, median, type Progress } from "./figure.ts";

const ROUNDS = 5;

/**
 * From the start of the process: when it listens, and when it is warm. From source and from the self-extracting
 * executable in turns, so that the ratios hold on a busy machine too.
 */
export async function measureStartup(progress: Progress): Promise<Figure[]> {
  progress("the executable is built, unless it was");
  await using folder = await openFolder({ pinhole: await buildExecutable() });
  const cache = `${folder.path}/cache`;
  const launch: Launch = {
    command: [`${folder.path}/pinhole`, "serve", "--config", "/dev/null"],
    cwd: folder.path,
    env: { CACHE_DIRECTORY: cache },
  };
  const source: Starts = { listeningMs: [], readyMs: [] };
  const first: Starts = { listeningMs: [], readyMs: [] };
  const later: Starts = { listeningMs: [], readyMs: [] };
  // The modules are cached before they are measured.
  await start({ listeningMs: [], readyMs: [] });
  for (let round = 1; round <= ROUNDS; round++) {
    progress(`round ${round} of ${ROUNDS}`);
    if (round > 1) await Deno.remove(cache, { recursive: true });
    await start(first, launch);
    for (let turn = 0; turn < 2; turn++) {
      await start(source);
      await start(later, launch);
    }
  }
  const sourceMs = median(source.readyMs);
  const firstMs = median(first.readyMs);
  const laterMs = median(later.readyMs);
  return [
    { name: "start to listening, source", value: median(source.listeningMs), unit: "ms" },
    { name: "start to ready, source", value: sourceMs, unit: "ms" },
    { name: "first start to ready, executable", value: firstMs, unit: "ms", aim: 2_000 },
    { name: "start to listening, executable", value: median(later.listeningMs), unit: "ms" },
    { name: "start to ready, executable", value: laterMs, unit: "ms", aim: 700 },
    { name: "first start of the executable / source", value: firstMs / sourceMs, unit: "" },
    { name: "later starts of the executable / source", value: laterMs / sourceMs, unit: "" },
  ];
}

interface Starts {
  readonly listeningMs: number[];
  readonly readyMs: number[];
}

async function start({ listeningMs, readyMs }: Starts, launch?: Launch): Promise<void> {
  await using server = await ServerProcess.start(launch === undefined ? {} : { launch });
  listeningMs.push(server.startup.listeningMs);
  readyMs.push(server.startup.readyMs);
}
