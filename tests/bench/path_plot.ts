/**
 * Draws what the rate does while a path shrinks and widens again: `deno run -A tests/bench/path_plot.ts FILE.svg`. A real
 * server and Chromium, with a link that queues between them.
 */
import { sleep, SYSTEM_CLOCK } from "../../src/base/clock.ts";
import { openChromium } from "../support/browsers/browser.ts";
import { onlyViewer } from "../support/network/congestion.ts";
import { compileReference } from "../support/renderers/native.ts";
import { SlowSite } from "../support/network/slow_site.ts";
import { ViewerPage } from "./bench_viewer.ts";

const CEILING_KBPS = 2_500;
const LIMIT_KBPS = 800;
/** Seconds of each stretch: wide, thin, wide. */
const STRETCHES_S: Readonly<Record<"before" | "thin" | "after", number>> = {
  before: 8,
  thin: 14,
  after: 16,
};
const SAMPLE_MS = 200;

/** A value at a moment, in seconds from the start. */
type Point = readonly [atS: number, value: number];

interface Run {
  readonly limit: readonly Point[];
  readonly target: readonly Point[];
  readonly latency: readonly Point[];
}

async function measure(): Promise<Run> {
  await using browser = await openChromium();
  const config = {
    "renderer.library": await compileReference(),
    "video.bitrate_kbps": CEILING_KBPS,
  };
  await using site = await SlowSite.open({ config });
  const { server, relays: [relay] } = site;
  if (relay === undefined) throw new Error("The server has no media port");
  await using page = await ViewerPage.open(browser, server, { readFrames: true });
  await page.join("demo");
  await sleep(SYSTEM_CLOCK, 4_000);

  const fromMs = Date.now();
  const second = () => (Date.now() - fromMs) / 1000;
  const target: Point[] = [];
  const sampleFor = async (seconds: number) => {
    for (const untilS = second() + seconds; second() < untilS;) {
      target.push([second(), (await onlyViewer(server)).target_kbps]);
      await sleep(SYSTEM_CLOCK, SAMPLE_MS);
    }
  };
  await sampleFor(STRETCHES_S.before);
  const thinAtS = second();
  relay.limit(LIMIT_KBPS);
  await sampleFor(STRETCHES_S.thin);
  const wideAtS = second();
  relay.widen();
  await sampleFor(STRETCHES_S.after);
  const frames = await page.video.shownSince(fromMs);
  return {
    limit: [[thinAtS, LIMIT_KBPS], [wideAtS, LIMIT_KBPS]],
    target,
    latency: frames.map(({ shownAtMs, drawnAtMs }) =>
      [(shownAtMs - fromMs) / 1000, shownAtMs - drawnAtMs] as const
    ).filter(([atS]) => atS >= 0),
  };
}

const WIDTH = 760;
const LEFT = 64;
const RIGHT = 16;
const PANEL = { height: 150, gap: 60, top: 34 } as const;

/** One chart above or below the other. */
interface Panel {
  readonly title: string;
  readonly most: number;
  readonly step: number;
  readonly lines: readonly {
    readonly points: readonly Point[];
    readonly color: string;
    readonly name: string;
    readonly dashed?: boolean;
  }[];
}

function draw(panels: readonly Panel[], seconds: number): string {
  const height = PANEL.top + panels.length * (PANEL.height + PANEL.gap);
  const body = panels.map((panel, at) =>
    drawPanel(panel, { top: PANEL.top + at * (PANEL.height + PANEL.gap), seconds })
  );
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" ` +
    `font-family="system-ui, sans-serif" font-size="12" fill="#444">\n` +
    `<rect width="100%" height="100%" fill="#fff"/>\n${body.join("\n")}\n</svg>\n`;
}

function drawPanel(
  { title, most, step, lines }: Panel,
  { top, seconds }: { top: number; seconds: number },
): string {
  const x = (atS: number) => round(LEFT + (WIDTH - LEFT - RIGHT) * atS / seconds);
  const y = (value: number) => round(top + PANEL.height * (1 - Math.min(value, most) / most));
  const parts = [`<text x="${LEFT}" y="${top - 14}" font-weight="600">${title}</text>`];
  for (let value = 0; value <= most; value += step) {
    parts.push(
      `<path d="M${LEFT} ${y(value)}H${WIDTH - RIGHT}" stroke="#ddd"/>` +
        `<text x="${LEFT - 8}" y="${y(value) + 4}" text-anchor="end">${value}</text>`,
    );
  }
  for (let atS = 0; atS <= seconds; atS += 5) {
    parts.push(
      `<text x="${x(atS)}" y="${top + PANEL.height + 16}" text-anchor="middle">${atS} s</text>`,
    );
  }
  let legendX = WIDTH - RIGHT;
  for (const { points, color, name, dashed } of lines.toReversed()) {
    const path = points.map(([atS, value]) => `${x(atS)} ${y(value)}`).join("L");
    const dash = dashed ? ' stroke-dasharray="6 4"' : "";
    parts.push(
      `<path d="M${path}" fill="none" stroke="${color}" stroke-width="1.8"${dash}/>`,
      `<text x="${legendX}" y="${top - 14}" text-anchor="end" fill="${color}">${name}</text>`,
    );
    legendX -= 7 * name.length + 16;
  }
  return parts.join("\n");
}

function round(value: number): number {
  return Math.round(value * 10) / 10;
}

if (import.meta.main) {
  const [file] = Deno.args;
  if (file === undefined) throw new Error("Usage: deno run -A tests/bench/path_plot.ts FILE.svg");
  const { limit, target, latency } = await measure();
  const seconds = Object.values(STRETCHES_S).reduce((sum, each) => sum + each);
  const svg = draw([
    {
      title: "Video, kbit/s",
      most: 3_000,
      step: 500,
      lines: [
        { points: limit, color: "#888", name: "what the path carries", dashed: true },
        { points: target, color: "#2a5bd7", name: "target" },
      ],
    },
    {
      title: "Age of a picture when it is shown, ms",
      most: 1_000,
      step: 250,
      lines: [{ points: latency, color: "#c2500a", name: "each picture" }],
    },
  ], seconds);
  await Deno.writeTextFile(file, svg);
}
