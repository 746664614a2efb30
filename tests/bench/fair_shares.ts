import type { Browser } from "playwright-core";
import { openChromium } from "../support/browsers/browser.ts";
import { TunnelledServer } from "../support/frp/frp.ts";
import { withLimit } from "../support/frp/frp_edits.ts";
import { findFrp, frpAdvice } from "../support/frp/frp_programs.ts";
import { compileReference } from "../support/renderers/native.ts";
import type { ServerProcess } from "../support/servers/server_process.ts";
import { ViewerPage } from "./bench_viewer.ts";
import { type Figure, percentile, type Progress } from "./figure.ts";

const VIEWERS = 5;
/** Each viewer has a session, and all come by one port, which is one proxy with one limit. */
const CONFIG = {
  "video.width": 640,
  "video.height": 360,
  // Six encoders and six decoders have to keep up on a small machine, or the tunnel is not what limits them.
  "video.fps": 20,
  "video.min_bitrate_kbps": 100,
  "webrtc.peers_per_port": VIEWERS + 1,
  "sessions.max": VIEWERS + 1,
} as const;
/** What the proxy may pass, in bits per second. */
const LIMIT_BPS = 2_400_000;
/** Between two viewers, and until the rates have to be even. */
const BETWEEN_MS = 500;
const SETTLE_MS = 10_000;
const MEASURE_MS = 15_000;
const SAMPLE_MS = 250;
const UNEVEN_AIM = 15;
const QUEUE_AIM_MS = 100;
const USED_AIM = 92;

/** Five viewers, then a sixth, through one tunnel that is far too thin for them: how even their shares are. */
export async function measureFairShares(progress: Progress): Promise<Figure[]> {
  if (findFrp() === undefined) {
    progress(`skipped: ${frpAdvice()}`);
    return [];
  }
  await using browser = await openChromium();
  await using tunnelled = await TunnelledServer.start({
    media: 1,
    config: { ...CONFIG, "renderer.library": await compileReference() },
    edit: (text) => withLimit(text, LIMIT_BPS / 8),
    cuttable: true,
  });
  await using pages = new AsyncDisposableStack();
  const figures: Figure[] = [];
  for (let count = 1; count <= VIEWERS + 1; count++) {
    pages.use(await join(browser, { tunnelled, session: `session-${count}` }));
    if (count < VIEWERS) {
      await pause(BETWEEN_MS);
      continue;
    }
    progress(`${count} viewers`);
    await pause(SETTLE_MS);
    figures.push(...await measure(tunnelled, `${count} viewers`));
  }
  return figures;
}

async function join(
  browser: Browser,
  { tunnelled, session }: { tunnelled: TunnelledServer; session: string },
): Promise<ViewerPage> {
  const page = await ViewerPage.open(browser, tunnelled);
  await page.join(session, { transport: "udp" });
  return page;
}

interface Sample {
  readonly kbps: number;
  readonly queueMs: number;
  readonly pathViewers: number;
}

/** Rates of all viewers over a while, as the server sends them, and their queues. */
async function measure(tunnelled: TunnelledServer, name: string): Promise<Figure[]> {
  const { server, tunnel } = tunnelled;
  const sent = new Map<string, Sample[]>();
  const before = { bytes: tunnel.bytesPassed, atMs: performance.now() };
  while (performance.now() - before.atMs < MEASURE_MS) {
    for (const [session, sample] of await read(server)) {
      sent.set(session, [...sent.get(session) ?? [], sample]);
    }
    await pause(SAMPLE_MS);
  }
  const seconds = (performance.now() - before.atMs) / 1000;
  const rates = [...sent.values()].map((samples) =>
    samples.reduce((sum, { kbps }) => sum + kbps, 0) / samples.length
  );
  const mean = rates.reduce((sum, kbps) => sum + kbps, 0) / rates.length;
  const samples = [...sent.values()].flat();
  const together = samples.filter(({ pathViewers }) => pathViewers === sent.size).length;
  const used = 8 * (tunnel.bytesPassed - before.bytes) / seconds / LIMIT_BPS;
  return [
    { name: `${name}: mean share`, value: mean, unit: "kbit/s" },
    {
      name: `${name}: furthest from the mean`,
      value: 100 * Math.max(...rates.map((kbps) => Math.abs(kbps / mean - 1))),
      unit: "%",
      aim: UNEVEN_AIM,
    },
    {
      name: `${name}: queue, p95`,
      value: percentile(samples.map(({ queueMs }) => queueMs), 95),
      unit: "ms",
      aim: QUEUE_AIM_MS,
    },
    { name: `${name}: limit used`, value: 100 * used, unit: "%", aimAtLeast: USED_AIM },
    { name: `${name}: known to share`, value: 100 * together / samples.length, unit: "%" },
  ];
}

async function read(server: ServerProcess): Promise<[session: string, Sample][]> {
  const sessions = await server.sessions();
  return sessions.flatMap(({ id, viewers }) =>
    viewers.map(({ bitrate_kbps, queue_ms, path_viewers }): [string, Sample] => [id, {
      kbps: bitrate_kbps,
      queueMs: queue_ms ?? 0,
      pathViewers: path_viewers,
    }])
  );
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
