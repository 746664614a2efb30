import { compileReference } from "../support/renderers/native.ts";
import { ServerProcess } from "../support/servers/server_process.ts";
import type { Figure, Progress } from "./figure.ts";
import { cpuSeconds } from "./process_usage.ts";
import { ReceiverCrowd } from "./receiver_crowd.ts";

const FPS = 30;
/** A session that is sent fewer pictures a second has lost some to the others. */
const FPS_MIN = 29;
/** Numbers of sessions, as far as the server carries them. */
const STEPS = [1, 2, 4, 6, 8, 12, 16, 24, 32, 48, 64] as const;
/** What the slope is taken from: beyond, sessions and receivers begin to wait for each other. */
const SLOPE_SESSIONS_MAX = 4;
const SETTLE_MS = 4_000;
const WINDOW_MS = 12_000;

/** What the server did with so many sessions. */
interface Step {
  readonly sessions: number;
  /** CPU time of the server, of one core. */
  readonly cpuPercent: number;
  /** Pictures a second that came out of the server for the session that got fewest. */
  readonly fpsMin: number;
}

/**
 * How many sessions the server carries: each with its own rendering and encoding of the C library's scene at 720p30, and
 * one viewer that takes the packets and decodes nothing. Sessions are added until one of them loses pictures; the viewers
 * take their part of the same cores.
 */
export async function measureSessions(progress: Progress): Promise<Figure[]> {
  const library = await compileReference();
  const steps: Step[] = [];
  await using server = await ServerProcess.start({
    ports: Math.max(...STEPS),
    config: { "renderer.library": library, "video.fps": FPS },
  });
  await using crowd = await ReceiverCrowd.open(server);
  for (const sessions of STEPS) {
    await crowd.grow(sessions);
    await crowd.receive(SETTLE_MS);
    let step = await measureStep(server, crowd);
    // A second try: other programs take a moment of the machine, but not for so long.
    if (step.fpsMin < FPS_MIN) step = await measureStep(server, crowd);
    progress(
      `sessions: ${sessions}, ${step.cpuPercent.toFixed(0)} % of one core, ` +
        `${step.fpsMin.toFixed(1)} pictures a second at least`,
    );
    steps.push(step);
    if (step.fpsMin < FPS_MIN && sessions >= SLOPE_SESSIONS_MAX) break;
  }
  return figuresOf(steps);
}

function figuresOf(steps: readonly Step[]): Figure[] {
  const first = steps.filter(({ sessions }) => sessions <= SLOPE_SESSIONS_MAX);
  // Pictures that were lost were not encoded either, and would make sessions look cheap.
  const slope = slopeOf(first.filter(({ fpsMin }) => fpsMin >= FPS_MIN));
  const most = steps.findLast(({ fpsMin }) => fpsMin >= FPS_MIN);
  return [
    ...first.map(({ sessions, cpuPercent }) => ({
      name: `CPU of one core for each session, sessions: ${sessions}`,
      value: cpuPercent / sessions,
      unit: "%",
    })),
    { name: "CPU that one more session takes", value: slope, unit: "%" },
    { name: "sessions that one core carries, extrapolated", value: 100 / slope, unit: "" },
    {
      name: `pictures of the slowest session, sessions: ${SLOPE_SESSIONS_MAX}`,
      value: first.at(-1)?.fpsMin ?? Number.NaN,
      unit: "/s",
      aimAtLeast: FPS_MIN,
    },
    {
      name: `most sessions that kept ${FPS_MIN} of ${FPS} pictures a second`,
      value: most?.sessions ?? 0,
      unit: "",
    },
    {
      name: "CPU of one core at that number",
      value: most?.cpuPercent ?? Number.NaN,
      unit: "%",
    },
  ];
}

async function measureStep(server: ServerProcess, crowd: ReceiverCrowd): Promise<Step> {
  const [startedS, startedMs] = [await cpuSeconds(server.pid), performance.now()];
  const receptions = await crowd.receive(WINDOW_MS);
  const cpuS = await cpuSeconds(server.pid) - startedS;
  return {
    sessions: receptions.length,
    cpuPercent: 100 * cpuS / ((performance.now() - startedMs) / 1000),
    fpsMin: Math.min(...receptions.map(({ pictures }) => pictures)),
  };
}

/** Least squares through the steps. */
function slopeOf(steps: readonly Step[]): number {
  const count = steps.length;
  const meanOf = (key: "sessions" | "cpuPercent") =>
    steps.reduce((sum, step) => sum + step[key], 0) / count;
  const [x, y] = [meanOf("sessions"), meanOf("cpuPercent")];
  const rise = steps.reduce((sum, step) => sum + (step.sessions - x) * (step.cpuPercent - y), 0);
  return rise / steps.reduce((sum, step) => sum + (step.sessions - x) ** 2, 0);
}
