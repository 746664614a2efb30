import type { Browser } from "playwright-core";
import { errorText } from "../../src/base/errors.ts";
import { openChromium } from "../support/browsers/browser.ts";
import { findFrp, frpAdvice } from "../support/frp/frp_programs.ts";
import { withLimit, withoutUdp } from "../support/frp/frp_edits.ts";
import { TunnelledServer, type TunnelledServerOptions } from "../support/frp/frp.ts";
import { TunnelViewer } from "../support/frp/frp_viewer.ts";
import { compileReference } from "../support/renderers/native.ts";
import { type ConfigValues, ServerProcess } from "../support/servers/server_process.ts";
import { ViewerPage } from "./bench_viewer.ts";
import { type Figure, median, percentile, type Progress } from "./figure.ts";

/** What media go by. */
export const TRANSPORTS = ["udp", "tcp"] as const;

/** One of {@link TRANSPORTS}. */
export type Transport = typeof TRANSPORTS[number];

const FIRST_FRAMES = 7;
/** While the browser still finds out how much it has to buffer. */
const SETTLE_FRAMES = 60;
const FRAMES = 240;
const RESTARTS = 10;
const ATTEMPTS = 4;
const RESTART_AIM_MS = 1_000;
/** What a proxy may pass, as a part of what the stream needs in the tunnel. */
const LIMITS = { "wide limit": 8, "close limit": 1.1, "small limit": 0.8 } as const;

/** Where a server is reached, and by what. */
interface Way {
  readonly name: string;
  readonly origin: string;
  readonly transport: Transport;
}

/** Direct and through a real tunnel, by UDP and by TCP: how soon, how late, at what cost, and how long after a restart. */
export async function measureFrp(progress: Progress): Promise<Figure[]> {
  if (findFrp() === undefined) {
    progress(`skipped: ${frpAdvice()}`);
    return [];
  }
  await using browser = await openChromium();
  const library = await compileReference();
  const bench = new FrpBench(browser, { library, progress });
  const figures = [...await bench.compareWays()];
  for (const transport of TRANSPORTS) figures.push(...await bench.compareLimits(transport));
  for (const transport of TRANSPORTS) figures.push(...await bench.restarts(transport));
  return figures;
}

class FrpBench {
  readonly #browser: Browser;
  readonly #config: { readonly "renderer.library": string; readonly "webrtc.tcp": true };
  readonly #progress: Progress;

  constructor(
    browser: Browser,
    { library, progress }: { library: string; progress: Progress },
  ) {
    this.#browser = browser;
    this.#config = { "renderer.library": library, "webrtc.tcp": true };
    this.#progress = progress;
  }

  /** The same viewer in turns by each way. */
  async compareWays(): Promise<Figure[]> {
    const config = { ...this.#config, "webrtc.public_ip": "127.0.0.1" };
    await using direct = await ServerProcess.start({ ports: 1, config });
    await using muxed = await this.#tunnel({});
    await using separate = await this.#tunnel({ tcpMux: false });
    const ways = TRANSPORTS.flatMap((transport) => {
      const by = transport.toUpperCase();
      return [
        { name: `direct, ${by}`, origin: direct.origin, transport },
        { name: `frp, ${by}`, origin: muxed.origin, transport },
        { name: `frp without tcpMux, ${by}`, origin: separate.origin, transport },
      ];
    });
    const firstFrames = new Map<Way, number[]>(ways.map((way) => [way, []]));
    for (let round = 1; round <= FIRST_FRAMES; round++) {
      this.#progress(`first frames, round ${round} of ${FIRST_FRAMES}`);
      for (const way of ways) firstFrames.get(way)?.push(await this.#firstFrame(way));
    }
    const figures: Figure[] = [];
    for (const way of ways) {
      const value = median(firstFrames.get(way) ?? []);
      figures.push({ name: `${way.name}: first frame`, value, unit: "ms" });
      figures.push(...await this.#latency(way));
    }
    return figures;
  }

  /** What the stream takes in the tunnel, and what a limit on its proxy does to it. */
  async compareLimits(transport: Transport): Promise<Figure[]> {
    const by = transport.toUpperCase();
    this.#progress(`${transport}, bytes in the tunnel`);
    const usual = await weighTunnel(this.#browser, { config: this.#config, transport });
    const figures: Figure[] = [
      { name: `frp, ${by}: bytes in the tunnel / RTP`, value: usual.ratio, unit: "" },
      { name: `frp, ${by}: in the tunnel`, value: usual.bytesPerSecond / 1000, unit: "kB/s" },
    ];
    for (const [name, part] of Object.entries(LIMITS)) {
      const edit = (text: string) => withLimit(text, usual.bytesPerSecond * part);
      await using tunnelled = await this.#tunnel({ edit });
      const way = { name: `frp, ${by}, ${name}`, origin: tunnelled.origin, transport };
      figures.push(...await this.#latencyOfWhoStays(way));
    }
    return figures;
  }

  /** By TCP a browser may give up where more comes than passes: its own checks wait behind the pictures. */
  async #latencyOfWhoStays(way: Way): Promise<Figure[]> {
    for (let attempt = 1; attempt < ATTEMPTS; attempt++) {
      try {
        return await this.#latency(way);
      } catch (error) {
        this.#progress(`${way.name}: the picture stopped (${errorText(error)})`);
      }
    }
    return await this.#latency(way);
  }

  /** From the moment that frpc calls its proxies running to a picture that was drawn after it. */
  async restarts(transport: Transport): Promise<Figure[]> {
    const edit = transport === "tcp" ? withoutUdp : (text: string) => text;
    await using tunnelled = await this.#tunnel({ edit });
    await using viewer = await TunnelViewer.open(this.#browser, tunnelled.origin);
    const times: number[] = [];
    for (let restart = 1; restart <= RESTARTS; restart++) {
      this.#progress(`${transport}, restart ${restart} of ${RESTARTS}`);
      await viewer.playsOn(SETTLE_FRAMES);
      await tunnelled.tunnel.killClient();
      await tunnelled.tunnel.startClient();
      const backAtMs = Date.now();
      times.push((await viewer.frameDrawnSince(backAtMs)).shownAtMs - backAtMs);
    }
    const name = `frpc restarted, ${transport.toUpperCase()}`;
    // Over TCP the browser has to connect anew first, which is its own affair.
    const aim = transport === "udp" ? { aim: RESTART_AIM_MS } : {};
    return [
      { name: `${name}: picture, median`, value: median(times), unit: "ms" },
      { name: `${name}: picture, worst`, value: Math.max(...times), unit: "ms", ...aim },
      { name: `${name}: offers after the first`, value: viewer.offers - 1, unit: "" },
    ];
  }

  #tunnel(options: Omit<TunnelledServerOptions, "config" | "media">): Promise<TunnelledServer> {
    return TunnelledServer.start({ media: 1, config: this.#config, ...options });
  }

  async #firstFrame(way: Way): Promise<number> {
    await using page = await ViewerPage.open(this.#browser, way);
    return (await page.join("demo", way)).firstFrameMs;
  }

  async #latency(way: Way): Promise<Figure[]> {
    this.#progress(way.name);
    await using page = await ViewerPage.open(this.#browser, way, { readFrames: true });
    await page.join("demo", way);
    await page.video.read(SETTLE_FRAMES);
    const frames = await page.video.read(FRAMES);
    const latencies = frames.map(({ drawnAtMs, shownAtMs }) => shownAtMs - drawnAtMs);
    return [50, 95].map((percent) => ({
      name: `${way.name}: drawn to shown, p${percent}`,
      value: percentile(latencies, percent),
      unit: "ms",
    }));
  }
}

/**
 * What the stream of one viewer takes in the tunnel, by a relay that counts and adds some latency of its own.
 * @returns `ratio`: bytes in the tunnel for each of RTP.
 */
export async function weighTunnel(
  browser: Browser,
  { config, transport }: { config: ConfigValues; transport: Transport },
): Promise<{ ratio: number; bytesPerSecond: number }> {
  await using tunnelled = await TunnelledServer.start({ media: 1, config, cuttable: true });
  const { origin, server, tunnel } = tunnelled;
  await using page = await ViewerPage.open(browser, { origin }, { readFrames: true });
  await page.join("demo", { transport });
  await page.video.read(SETTLE_FRAMES);
  const count = async () => ({
    tunnel: tunnel.bytesPassed,
    rtp: await server.metric("rtp_bytes_sent_total"),
    atMs: performance.now(),
  });
  const before = await count();
  await page.video.read(FRAMES);
  const after = await count();
  const bytes = after.tunnel - before.tunnel;
  return {
    ratio: bytes / (after.rtp - before.rtp),
    bytesPerSecond: bytes / ((after.atMs - before.atMs) / 1000),
  };
}
