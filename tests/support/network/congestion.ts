/// <reference lib="dom" />
import assert from "assert";
import type { ViewerReport } from "../../../src/session/report.ts";
import type { BrowserPage } from "../browsers/browser_page.ts";
import { eventually } from "../deadline.ts";
import type { ServerProcess } from "../servers/server_process.ts";
import type { SeenFrame, VideoReader } from "../browsers/video_reader.ts";

/** With the scene of the reference library a stream that needs all of its ceiling. */
export const HUNGRY = {
  "video.width": 640,
  "video.height": 360,
  "video.bitrate_kbps": 1_200,
} as const;

/** Well above what they are on a busy machine; without control it would be seconds, and more with each. */
const LATENCY_MS_MAX = 600;
const PAUSE_MS_MAX = 3_000;
/** What happened before the last so many milliseconds is the controller's business. */
const SETTLED_MS = 3_000;

/** The only viewer of a server. */
export async function onlyViewer(server: ServerProcess): Promise<ViewerReport> {
  const viewers = (await server.sessions()).flatMap(({ viewers }) => viewers);
  assert.equal(viewers.length, 1, `${viewers.length} viewers instead of one`);
  const [viewer] = viewers;
  assert.ok(viewer);
  return viewer;
}

/** Waits until a viewer's rate is one that `test` holds for, in kbit/s. */
export async function untilRate(
  report: () => Promise<ViewerReport>,
  { what, test }: { what: string; test: (targetKbps: number) => boolean },
): Promise<void> {
  let last: ViewerReport | undefined;
  await eventually(async () => test((last = await report()).target_kbps), {
    what: () => `for a rate ${what}: ${JSON.stringify(last)}`,
  });
}

/** Expects pictures without a long pause, of which the last are not late. */
export function expectTimely(frames: readonly SeenFrame[]): void {
  const pausesMs = frames.slice(1).map(({ shownAtMs }, at) =>
    shownAtMs - (frames[at]?.shownAtMs ?? shownAtMs)
  );
  assert.ok(Math.max(...pausesMs) < PAUSE_MS_MAX, `A pause of ${Math.max(...pausesMs)} ms`);
  const endMs = frames.at(-1)?.shownAtMs ?? Number.NaN;
  const latenciesMs = frames.filter(({ shownAtMs }) => endMs - shownAtMs < SETTLED_MS)
    .map(({ drawnAtMs, shownAtMs }) => shownAtMs - drawnAtMs)
    .toSorted((a, b) => a - b);
  const median = latenciesMs[Math.floor(latenciesMs.length / 2)] ?? Number.NaN;
  assert.ok(median < LATENCY_MS_MAX, `Pictures come ${median} ms late`);
}

/**
 * What a page shows for so many seconds: from the picture that it shows now to the first one after that time.
 * @throws {Error} When that one does not come.
 */
export async function watchFor(video: VideoReader, seconds: number): Promise<SeenFrame[]> {
  const fromMs = Date.now();
  await new Promise((resolve) => setTimeout(resolve, 1000 * seconds));
  await video.read(1);
  return await video.shownSince(fromMs);
}

/** Packets of sound that a page's newest connection received. */
export function soundPackets({ page }: BrowserPage): Promise<number> {
  return page.evaluate(async () => {
    const { peers } = Reflect.get(globalThis, "notebook") as { peers: RTCPeerConnection[] };
    const stats: RTCInboundRtpStreamStats[] = [];
    (await peers.at(-1)?.getStats())?.forEach((each) => stats.push(each));
    return stats.find(({ type, kind }) => type === "inbound-rtp" && kind === "audio")
      ?.packetsReceived ?? 0;
  });
}
