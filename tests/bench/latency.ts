import type { Browser } from "playwright-core";
import { openChromium } from "../support/browsers/browser.ts";
import { compileReference } from "../support/renderers/native.ts";
import { type ConfigValues, ServerProcess } from "../support/servers/server_process.ts";
import { ViewerPage } from "./bench_viewer.ts";
import { type Figure, percentile, type Progress } from "./figure.ts";

const FPS = 30;
/** The browser shows frames in its own rhythm; each run meets it at another moment. */
const RUNS = 6;
/** While the browser still finds out how much it has to buffer. */
const SETTLE_FRAMES = 60;
const FRAMES = 150;
/** Two frame intervals, and what a frame takes to be encoded, sent and decoded. */
const P95_AIM_MS = 2 * 1000 / FPS + 20;

/** From the moment that a frame is drawn to the moment that the page is about to show it, at 720p30. */
export async function measureLatency(progress: Progress): Promise<Figure[]> {
  await using browser = await openChromium();
  const library = await compileReference();
  const measure = (source: string, config: ConfigValues) =>
    measureSource(browser, { source, config, progress });
  return [
    ...await measure("test pattern", {}),
    ...await measure("library", { "renderer.library": library }),
  ];
}

async function measureSource(
  browser: Browser,
  { source, config, progress }: { source: string; config: ConfigValues; progress: Progress },
): Promise<Figure[]> {
  const latencies: number[] = [];
  let rendered = 0;
  await using server = await ServerProcess.start({ config: { ...config, "video.fps": FPS } });
  for (let run = 1; run <= RUNS; run++) {
    progress(`${source}, run ${run} of ${RUNS}`);
    await using page = await ViewerPage.open(browser, server, { readFrames: true });
    await page.join("demo");
    await page.video.read(SETTLE_FRAMES);
    const frames = await page.video.read(FRAMES);
    for (const { drawnAtMs, shownAtMs } of frames) latencies.push(shownAtMs - drawnAtMs);
    rendered += (frames.at(-1)?.frameNumber ?? 0) - (frames.at(0)?.frameNumber ?? 0) + 1;
  }
  const lost = 100 * (1 - latencies.length / rendered);
  const [p50, p95] = [percentile(latencies, 50), percentile(latencies, 95)];
  return [
    { name: `drawn to shown, ${source}, p50`, value: p50, unit: "ms" },
    { name: `drawn to shown, ${source}, p95`, value: p95, unit: "ms", aim: P95_AIM_MS },
    { name: `frames not shown, ${source}`, value: lost, unit: "%" },
  ];
}
