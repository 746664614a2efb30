import type { Browser } from "playwright-core";
import { openChromium } from "../support/browsers/browser.ts";
import { compileReference } from "../support/renderers/native.ts";
import { ServerProcess } from "../support/servers/server_process.ts";
import { ViewerPage } from "./bench_viewer.ts";
import { type Figure, median, type Progress } from "./figure.ts";
import { cpuSeconds, residentMib } from "./process_usage.ts";

const ROUNDS = 3;
const VIEWERS = [0, 1, 2, 4] as const;
/** There and back, as the scene gets harder or easier to encode with time. */
const COURSE = [0, 1, 2, 4, 2, 1] as const;
const SETTLE_MS = 3_000;
const WINDOW_MS = 10_000;
const SECOND_VIEWER_AIM = 1 / 5;

/** What one server used with so many viewers. */
interface Usage {
  readonly viewers: number;
  /** Of one core. */
  readonly cpuPercent: number;
  readonly memoryMib: number;
  /** For the reader to see that all viewers were served. */
  readonly encodedPerS: number;
  readonly packetsPerS: number;
}

/**
 * CPU time and memory of the server with viewers of one session: the C library's scene at 720p30, which fills the
 * bitrate as the test pattern does not. Each round has a server of its own, and the ratios are taken within a round,
 * as machines are not equally fast at all times.
 */
export async function measureLoad(progress: Progress): Promise<Figure[]> {
  const library = await compileReference();
  await using browser = await openChromium();
  const rounds: Usage[][] = [];
  for (let round = 1; round <= ROUNDS; round++) {
    const tell: Progress = (line) => progress(`round ${round} of ${ROUNDS}, ${line}`);
    rounds.push(await measureRound(browser, { library, progress: tell }));
  }
  const middle = (viewers: number, key: keyof Usage) =>
    median(rounds.map((round) => valueOf(round, { viewers, key })));
  const cpuRatio = (from: number, to: number) =>
    median(rounds.map((round) => addedToFirst(round, { from, to })));
  const [second, further] = [cpuRatio(1, 2), cpuRatio(1, 4)];
  return [
    ...VIEWERS.map((viewers) => ({
      name: `CPU of one core, viewers: ${viewers}`,
      value: middle(viewers, "cpuPercent"),
      unit: "%",
    })),
    { name: "CPU, second viewer / first", value: second, unit: "", aim: SECOND_VIEWER_AIM },
    { name: "CPU, each further viewer / first", value: further, unit: "" },
    ...VIEWERS.map((viewers) => ({
      name: `resident memory, viewers: ${viewers}`,
      value: middle(viewers, "memoryMib"),
      unit: "MiB",
    })),
    { name: "frames encoded, viewers: 4", value: middle(4, "encodedPerS"), unit: "/s" },
    { name: "packets sent, viewers: 4", value: middle(4, "packetsPerS"), unit: "/s" },
  ];
}

async function measureRound(
  browser: Browser,
  { library, progress }: { library: string; progress: Progress },
): Promise<Usage[]> {
  const usages: Usage[] = [];
  await using server = await ServerProcess.start({ config: { "renderer.library": library } });
  await using page = await ViewerPage.open(browser, server);
  let joined = 0;
  for (const viewers of COURSE) {
    progress(`viewers: ${viewers}`);
    for (; joined < viewers; joined++) await page.join("demo");
    for (; joined > viewers; joined--) await page.leave();
    await sleep(SETTLE_MS);
    usages.push({ viewers, ...await measureWindow(server) });
  }
  return usages;
}

async function measureWindow(server: ServerProcess): Promise<Omit<Usage, "viewers">> {
  const before = await look(server);
  await sleep(WINDOW_MS);
  const after = await look(server);
  const seconds = (after.nowMs - before.nowMs) / 1000;
  return {
    cpuPercent: 100 * (after.cpuS - before.cpuS) / seconds,
    memoryMib: await residentMib(server.pid),
    encodedPerS: (after.encoded - before.encoded) / seconds,
    packetsPerS: (after.packets - before.packets) / seconds,
  };
}

interface Look {
  readonly encoded: number;
  readonly packets: number;
  readonly cpuS: number;
  readonly nowMs: number;
}

async function look(server: ServerProcess): Promise<Look> {
  return {
    encoded: await server.metric("frames_sent_total"),
    packets: await server.metric("rtp_packets_sent_total"),
    cpuS: await cpuSeconds(server.pid),
    nowMs: performance.now(),
  };
}

/** What each viewer after the first `from` added on average, as a part of what the first one added. */
function addedToFirst(round: readonly Usage[], { from, to }: { from: number; to: number }): number {
  const cpu = (viewers: number) => valueOf(round, { viewers, key: "cpuPercent" });
  return (cpu(to) - cpu(from)) / (to - from) / (cpu(1) - cpu(0));
}

/** Mean of the round's windows with so many viewers. */
function valueOf(
  round: readonly Usage[],
  { viewers, key }: { viewers: number; key: keyof Usage },
): number {
  const values = round.filter((usage) => usage.viewers === viewers).map((usage) => usage[key]);
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
