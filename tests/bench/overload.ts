import { compileReference } from "../support/renderers/native.ts";
import { ServerProcess } from "../support/servers/server_process.ts";
import { type Figure, median, type Progress } from "./figure.ts";
import { residentMib } from "./process_usage.ts";
import { ReceiverCrowd, type Reception } from "./receiver_crowd.ts";

const FPS = 30;
const FPS_MIN = 29;
/** Sessions that join one after another, and those that stay. */
const SESSIONS = { most: 48, left: 24 } as const;
const STEP_SESSIONS = 8;
const WINDOW_MS = 5_000;
/** Under full load, in windows. */
const LOADED_WINDOWS = 12;
/** How long the sessions that stay may take to be back at their rate, in windows of a second. */
const RECOVERY_S_MAX = 30;
const THROUGHPUT_AIM = 0.95;
const GROWTH_MIB_PER_MIN = 32;

/** What the server did in one window. */
interface Window {
  readonly sessions: number;
  /** Pictures a second of all sessions together, and of the sessions with the fewest and the most. */
  readonly total: number;
  readonly least: number;
  readonly most: number;
}

/**
 * What becomes of a server with more sessions than it carries, which it does not refuse: sessions are added far beyond,
 * stay for a minute, and half of them leave. The receivers are in this process and take their part of the
 * same cores.
 */
export async function measureOverload(progress: Progress): Promise<Figure[]> {
  const library = await compileReference();
  await using server = await ServerProcess.start({
    ports: SESSIONS.most,
    config: {
      "renderer.library": library,
      "video.fps": FPS,
      "sessions.refuse_when_busy": false,
    },
  });
  await using crowd = new ReceiverCrowd(server);
  const watch = async (): Promise<Window> => {
    const window = windowOf(await crowd.receive(WINDOW_MS));
    progress(
      `sessions: ${window.sessions}, ${window.total.toFixed(0)} pictures a second in total, ` +
        `${window.least.toFixed(1)} to ${window.most.toFixed(1)} each`,
    );
    return window;
  };
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
  await crowd.shrink(Math.min(SESSIONS.left, Math.ceil(sessions / 2)));
  const recoveryS = await untilBack(crowd);
  progress(`back at ${FPS_MIN} pictures a second after ${recoveryS} s`);
  const peak = Math.max(...growing.map(({ total }) => total));
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
    { name: "all back at full rate after half have left", value: recoveryS, unit: "s" },
  ];
}

function windowOf(receptions: readonly Reception[]): Window {
  const rates = receptions.map(({ pictures }) => pictures);
  return {
    sessions: rates.length,
    total: rates.reduce((sum, rate) => sum + rate, 0),
    least: Math.min(...rates),
    most: Math.max(...rates),
  };
}

/** Seconds until every session has its full rate; NaN if that takes too long. */
async function untilBack(crowd: ReceiverCrowd): Promise<number> {
  for (let seconds = 1; seconds <= RECOVERY_S_MAX; seconds++) {
    if (windowOf(await crowd.receive(1_000)).least >= FPS_MIN - 1) return seconds;
  }
  return Number.NaN;
}
