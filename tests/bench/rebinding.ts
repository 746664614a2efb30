import { openChromium } from "../support/browsers/browser.ts";
import { ServerProcess } from "../support/servers/server_process.ts";
import { UdpRelay } from "../support/network/udp_relay.ts";
import { ViewerPage } from "./bench_viewer.ts";
import { type Figure, median, type Progress } from "./figure.ts";

const RECONNECTS = 12;
/** The browser repeats its checks each 2.5 s, and begins that count anew with each move. */
const CHECK_INTERVAL_FRAMES = 75;
const WORST_AIM_MS = 1_000;

/** How long the picture stands still when a tunnel client reconnects and gives the browser a new source port. */
export async function measureRebinding(progress: Progress): Promise<Figure[]> {
  await using browser = await openChromium();
  await using relay = new UdpRelay();
  await using server = await ServerProcess.start({
    ports: 1,
    config: { "webrtc.public_ip": "127.0.0.1", "webrtc.public_port_min": relay.port },
  });
  relay.passTo(server.portMin);
  await using page = await ViewerPage.open(browser, server, { readFrames: true });
  await page.join("demo");
  const gaps: number[] = [];
  for (let reconnect = 1; reconnect <= RECONNECTS; reconnect++) {
    progress(`reconnect ${reconnect} of ${RECONNECTS}`);
    await page.video.read(framesBefore(reconnect));
    relay.reconnect();
    const brokenAtMs = Date.now();
    let [frame] = await page.video.read(1);
    while (frame !== undefined && frame.drawnAtMs < brokenAtMs) [frame] = await page.video.read(1);
    gaps.push((frame?.shownAtMs ?? Number.NaN) - brokenAtMs);
  }
  return [
    { name: "new source port to picture, median", value: median(gaps), unit: "ms" },
    {
      name: "new source port to picture, worst",
      value: Math.max(...gaps),
      unit: "ms",
      aim: WORST_AIM_MS,
    },
  ];
}

/** Frames to wait before a reconnect: spread evenly over the time between two checks. */
function framesBefore(reconnect: number): number {
  return CHECK_INTERVAL_FRAMES + Math.round(CHECK_INTERVAL_FRAMES * reconnect / RECONNECTS);
}
