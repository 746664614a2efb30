import { compileReference } from "../support/renderers/native.ts";
import { ServerProcess } from "../support/servers/server_process.ts";
import { type Figure, median, type Progress } from "./figure.ts";
import { readCpuTimes } from "../support/machine/cpu_times.ts";
import { othersShare } from "../support/machine/machine_load.ts";
import { cpuSeconds, residentMib } from "./process_usage.ts";
import { ReceiverCrowd, type Reception } from "./receiver_crowd.ts";

/** Small, so that two cores carry tens of sessions. */
const SIZE = { width: 320, height: 180 } as const;
const FPS = 30;
const FPS_MIN = 29;
/** Sessions that join one after another, and those that stay. */
const SESSIONS = { most: 48, left: 24 } as const;
const STEP_SESSIONS = 8;
/** Of the sessions that fit: so many stay at most. */
const LEFT_SHARE = 0.75;
const WINDOW_MS = 5_000;
/** Under full load, in windows. */
const LOADED_WINDOWS = 12;
/** How long the sessions that stay may take to be back at their rate, in milliseconds. */
const RECOVERY = { aimMs: 2_000, maxMs: 30_000, lookMs: 250 } as const;
const THROUGHPUT_AIM = 0.95;
const GROWTH_MIB_PER_MIN = 32;

/** What the server did in one window. */
interface Window {
  readonly sessions: number;
  /** Pictures a second of all sessions together, and of the sessions with the fewest and the most. */
  readonly total: number;
  readonly least: number;
  readonly most: number;
  /** Pictures for each second of CPU time that the server used: what other programs take does not count. */
  readonly perCpuS: number;
}

/**
 * What becomes of a server with more sessions than it carries, which it does not refuse: sessions are added far beyond,
 * stay for a minute, and half of them leave. And how many of as many a server takes that may refuse. The receivers take
 * their part of the same cores.
 */
export async function measureOverload(progress: Progress): Promise<Figure[]> {
  const library = await compileReference();
  return [
    ...await measureFull(library, progress),
    ...await measureRefusals(library, progress),
  ];
}

function startServer(library: string, { refuses }: { refuses: boolean }): Promise<ServerProcess> {
  return ServerProcess.start({
    ports: SESSIONS.most,
    config: {
      "renderer.library": library,
      "video.width": SIZE.width,
      "video.height": SIZE.height,
      "video.fps": FPS,
      "sessions.refuse_when_busy": refuses,
    },
  });
}

async function measureFull(library: string, progress: Progress): Promise<Figure[]> {
  await using server = await startServer(library, { refuses: false });
  await using crowd = await ReceiverCrowd.open(server);
  const watch = () => watchWindow({ server, crowd, progress });
  const growing: Window[] = [];
  while (crowd.size < SESSIONS.most) {
    await crowd.grow(crowd.size + STEP_SESSIONS);
    growing.push(await watch());
  }
  const [sessions, startMib] = [crowd.size, await residentMib(server.pid)];
  const loaded: Window[] = [];
  for (let index = 0; index < LOADED_WINDOWS; index++) loaded.push(await watch());
  const minutes = (LOADED_WINDOWS * WINDOW_MS) / 60_000;
  const growth = (await residentMib(server.pid) - startMib) / minutes;
  // Half of them, or what leaves this machine some room: other programs take more of it now and then.
  const fitting = growing.findLast(({ least }) => least >= FPS_MIN)?.sessions ?? STEP_SESSIONS;
  await crowd.shrink(Math.min(SESSIONS.left, Math.floor(fitting * LEFT_SHARE)));
  const recoveryS = await untilBack(crowd) / 1000;
  progress(
    `${crowd.size} left; back at ${FPS_MIN} pictures a second after ${recoveryS.toFixed(1)} s`,
  );
  const peak = Math.max(...growing.map(({ total }) => total));
  const perCpuS = Math.max(...growing.map((window) => window.perCpuS));
  return [
    { name: "sessions under overload", value: sessions, unit: "" },
    { name: "pictures of all sessions, at best", value: peak, unit: "/s" },
    {
      name: "the same under overload / at best",
      value: median(loaded.map(({ total }) => total)) / peak,
      unit: "",
      aimAtLeast: THROUGHPUT_AIM,
    },
    {
      name: "the same for each second of the server's CPU time",
      value: median(loaded.map((window) => window.perCpuS)) / perCpuS,
      unit: "",
    },
    { name: "sessions that kept their rate while they were added", value: fitting, unit: "" },
    {
      name: "pictures of the session with the fewest / the most",
      value: median(loaded.map(({ least, most }) => least / most)),
      unit: "",
    },
    {
      name: "resident memory under overload, growth in a minute",
      value: growth,
      unit: "MiB",
      aim: GROWTH_MIB_PER_MIN,
    },
    {
      name: "all back at full rate after half have left",
      value: recoveryS,
      unit: "s",
      aim: RECOVERY.aimMs / 1000,
    },
  ];
}

async function watchWindow(
  { server, crowd, progress }: { server: ServerProcess; crowd: ReceiverCrowd; progress: Progress },
): Promise<Window> {
  const [before, cpuBefore] = [await cpuSeconds(server.pid), readCpuTimes()];
  const receptions = await crowd.receive(WINDOW_MS);
  const cpuS = await cpuSeconds(server.pid) - before;
  const cpuAfter = readCpuTimes();
  const others = (cpuBefore && cpuAfter && othersShare(cpuBefore, cpuAfter)) ?? Number.NaN;
  const rates = ratesOf(receptions);
  progress(
    `sessions: ${rates.sessions}, ${rates.total.toFixed(0)} pictures a second in total, ` +
      `${rates.least.toFixed(1)} to ${rates.most.toFixed(1)} each; ` +
      `others used ${(100 * others).toFixed(0)} % of the CPU`,
  );
  return { ...rates, perCpuS: rates.total * WINDOW_MS / 1000 / cpuS };
}

async function measureRefusals(library: string, progress: Progress): Promise<Figure[]> {
  await using server = await startServer(library, { refuses: true });
  await using crowd = await ReceiverCrowd.open(server);
  const refusals = () => [...crowd.refused.values()].reduce((sum, count) => sum + count, 0);
  let asked = 0;
  while (asked < SESSIONS.most) {
    await crowd.grow(crowd.size + STEP_SESSIONS);
    asked += STEP_SESSIONS;
    const { least } = ratesOf(await crowd.receive(WINDOW_MS));
    progress(
      `${asked} asked: ${crowd.size} watch, ${refusals()} refused, at least ${
        least.toFixed(1)
      } pictures a second`,
    );
  }
  const names = [...crowd.refused].map(([code, count]) => `${code} ${count}`).join(", ");
  progress(`refusals: ${names}`);
  const { least } = ratesOf(await crowd.receive(WINDOW_MS));
  return [
    { name: "sessions taken of 48, where the server may refuse", value: crowd.size, unit: "" },
    ...[...crowd.refused].map(([code, value]) => ({ name: `refused as ${code}`, value, unit: "" })),
    { name: "pictures of the slowest of those taken", value: least, unit: "/s" },
  ];
}

function ratesOf(receptions: readonly Reception[]): Omit<Window, "perCpuS"> {
  const rates = receptions.map(({ pictures }) => pictures);
  return {
    sessions: rates.length,
    total: rates.reduce((sum, rate) => sum + rate, 0),
    least: Math.min(...rates),
    most: Math.max(...rates),
  };
}

/** Milliseconds until the first second in which every session has its full rate; NaN if that takes too long. */
async function untilBack(crowd: ReceiverCrowd): Promise<number> {
  const startedMs = performance.now();
  const counts: { readonly atMs: number; readonly pictures: readonly number[] }[] = [];
  while (performance.now() - startedMs < RECOVERY.maxMs) {
    counts.push({ atMs: performance.now(), pictures: await crowd.pictures() });
    const [now, then] = [counts.at(-1), counts.at(-1 - 1000 / RECOVERY.lookMs)];
    if (now !== undefined && then !== undefined) {
      const seconds = (now.atMs - then.atMs) / 1000;
      const rates = now.pictures.map((count, at) => (count - (then.pictures[at] ?? 0)) / seconds);
      if (Math.min(...rates) >= FPS_MIN - 1) return then.atMs - startedMs;
    }
    await new Promise((resolve) => setTimeout(resolve, RECOVERY.lookMs));
  }
  return Number.NaN;
}
