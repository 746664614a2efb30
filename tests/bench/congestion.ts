import type { Browser } from "playwright-core";
import { openChromium } from "../support/browsers/browser.ts";
import { onlyViewer, untilRate } from "../support/network/congestion.ts";
import { TunnelledServer } from "../support/frp/frp.ts";
import { withLimit } from "../support/frp/frp_edits.ts";
import { findFrp, frpAdvice } from "../support/frp/frp_programs.ts";
import { compileReference } from "../support/renderers/native.ts";
import { SlowSite } from "../support/network/slow_site.ts";
import type { SeenFrame } from "../support/browsers/video_reader.ts";
import { ViewerPage } from "./bench_viewer.ts";
import { type Figure, percentile, type Progress } from "./figure.ts";
import { type Transport, TRANSPORTS, weighTunnel } from "./frp.ts";

const CEILING_KBPS = 2_500;
/** What a path carries, as a part of what the stream takes when nothing limits it. */
const PARTS = [2, 0.8, 0.5, 0.25] as const;
/** Until the limit has shown: frp lets a second's worth pass before it holds, and the rate was below it at first. */
const SETTLE_S = 8;
const MEASURE_S = 8;
/** While the stream grows to its ceiling, and what it takes there. */
const WEIGH_S = { before: 3, for: 4 } as const;
const LATE_MS = 150;
const CALM_MS = 1_000;

/** What passed a path within a time. */
interface Watch {
  readonly page: ViewerPage;
  /** Begins the name of each figure. */
  readonly name: string;
  /** Bytes that the path carried so far. */
  readonly bytes: () => number | Promise<number>;
  /** Bytes in a second. */
  readonly limit: number;
}

/** How late pictures are where the path carries less than the stream would take: by a relay that queues, and by frp. */
export async function measureCongestion(progress: Progress): Promise<Figure[]> {
  await using browser = await openChromium();
  const library = await compileReference();
  const bench = new CongestionBench(browser, { library, progress });
  const figures = [...await bench.relay()];
  if (findFrp() === undefined) progress(`frp skipped: ${frpAdvice()}`);
  else for (const transport of TRANSPORTS) figures.push(...await bench.frp(transport));
  return figures;
}

class CongestionBench {
  readonly #browser: Browser;
  readonly #config: {
    readonly "renderer.library": string;
    readonly "video.bitrate_kbps": number;
    readonly "webrtc.tcp": true;
  };
  readonly #progress: Progress;

  constructor(
    browser: Browser,
    { library, progress }: { library: string; progress: Progress },
  ) {
    this.#browser = browser;
    this.#config = {
      "renderer.library": library,
      "video.bitrate_kbps": CEILING_KBPS,
      "webrtc.tcp": true,
    };
    this.#progress = progress;
  }

  /** One viewer, whose path becomes narrow and wide again several times. */
  async relay(): Promise<Figure[]> {
    await using site = await SlowSite.open({ config: { ...this.#config, "webrtc.tcp": false } });
    const { server, relays: [relay] } = site;
    if (relay === undefined) throw new Error("The server has no media port");
    await using page = await ViewerPage.open(this.#browser, server, { readFrames: true });
    await page.join("demo");
    const untilWide = () =>
      untilRate(() => onlyViewer(server), {
        what: "near the ceiling",
        test: (kbps) => kbps > 0.9 * CEILING_KBPS,
      });
    await untilWide();
    await sleep(WEIGH_S.before);
    const bytesBefore = relay.bytesDelivered;
    await sleep(WEIGH_S.for);
    const usual = (relay.bytesDelivered - bytesBefore) / WEIGH_S.for;
    const figures: Figure[] = [];
    for (const part of PARTS) {
      const name = `relay, ${part}×`;
      const limit = part * usual;
      relay.limit(limit * 8 / 1000);
      figures.push(
        ...await this.#watch({ page, name, limit, bytes: () => relay.bytesDelivered }),
      );
      relay.widen();
      const widenedAtMs = performance.now();
      await untilWide();
      if (part > 1) continue;
      const value = (performance.now() - widenedAtMs) / 1000;
      figures.push({ name: `${name}: until the rate is back`, value, unit: "s" });
    }
    return figures;
  }

  /** A tunnel for each limit, which holds from the start: frpc would give the viewer a new source port for another. */
  async frp(transport: Transport): Promise<Figure[]> {
    const config = this.#config;
    const by = `frp, ${transport.toUpperCase()}`;
    this.#progress(`${by}: bytes in the tunnel`);
    const usual = await weighTunnel(this.#browser, { config, transport });
    const figures: Figure[] = [];
    for (const part of PARTS) {
      const limit = part * usual.bytesPerSecond;
      await using tunnelled = await TunnelledServer.start({
        media: 1,
        config,
        edit: (text) => withLimit(text, limit),
      });
      const { origin, server } = tunnelled;
      await using page = await ViewerPage.open(this.#browser, { origin }, { readFrames: true });
      await page.join("demo", { transport });
      const bytes = async () => usual.ratio * await server.metric("rtp_bytes_sent_total");
      figures.push(...await this.#watch({ page, name: `${by}, ${part}×`, limit, bytes }));
    }
    return figures;
  }

  /** From now on, since when the path has its limit. */
  async #watch({ page, name, bytes, limit }: Watch): Promise<Figure[]> {
    this.#progress(name);
    const limitedAtMs = Date.now();
    await sleep(SETTLE_S);
    const settledAtMs = Date.now();
    const bytesBefore = await bytes();
    await sleep(MEASURE_S);
    const seconds = (Date.now() - settledAtMs) / 1000;
    const used = (await bytes() - bytesBefore) / seconds / limit;
    const frames = await page.video.shownSince(limitedAtMs);
    const settled = frames.filter(({ shownAtMs }) => shownAtMs >= settledAtMs);
    const latencies = settled.map(latencyMs);
    const ms = (what: string, value: number) => ({ name: `${name}: ${what}`, value, unit: "ms" });
    return [
      ...[50, 95, 100].map((percent) =>
        ms(`drawn to shown, p${percent}`, percentile(latencies, percent))
      ),
      ms(`over ${LATE_MS} ms for the first time, for`, firstSpellMs(frames)),
      { name: `${name}: pictures`, value: settled.length / seconds, unit: "/s" },
      { name: `${name}: share of the limit`, value: 100 * used, unit: "%" },
    ];
  }
}

/** How long pictures are late when they begin to be, until a second is without. */
function firstSpellMs(frames: readonly SeenFrame[]): number {
  const lateAtMs = frames.filter((frame) => latencyMs(frame) > LATE_MS)
    .map(({ shownAtMs }) => shownAtMs);
  const [beganAtMs = 0] = lateAtMs;
  let endMs = beganAtMs;
  for (const atMs of lateAtMs) {
    if (atMs - endMs > CALM_MS) break;
    endMs = atMs;
  }
  return endMs - beganAtMs;
}

function latencyMs({ drawnAtMs, shownAtMs }: SeenFrame): number {
  return shownAtMs - drawnAtMs;
}

function sleep(seconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, 1000 * seconds));
}
