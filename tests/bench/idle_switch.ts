/// <reference lib="dom" />
import { readBlockCode } from "../support/media/block_code.ts";
import type { Page } from "playwright-core";
import { openChromium } from "../support/browsers/browser.ts";
import { writeVideo } from "../support/media/idle_media.ts";
import { compileReference } from "../support/renderers/native.ts";
import { ServerProcess } from "../support/servers/server_process.ts";
import { type Figure, median, type Progress } from "./figure.ts";

const FPS = 30;
const SIZE = { width: 1280, height: 720 } as const;
/** Short pauses are encoded by the session; in long ones, the shared encoding of the loop takes over. */
const RUNS = [
  { pauses: "short", phaseS: 1, switches: 20 },
  { pauses: "long", phaseS: 5, switches: 8 },
] as const;
/** While the browser still finds out how much it has to buffer. */
const SETTLE_S = 4;
/** Pictures on each side of a switch whose distances count. */
const AROUND = 5;
const GAP_AIM_MS = 100;

/** A picture that the page showed. */
interface ShownPicture {
  readonly atMs: number;
  /** Of the idle loop, and not of the renderer. */
  readonly idle: boolean;
}

/**
 * How long the picture stands still when the renderer falls idle, and when it comes back: a library that does so every
 * second, and an idle loop that moves in each picture, as one that does not is sent only once a second.
 */
export async function measureIdleSwitch(progress: Progress): Promise<Figure[]> {
  const figures: Figure[] = [];
  for (const run of RUNS) figures.push(...await measureRun(run, progress));
  return figures;
}

async function measureRun(
  { pauses, phaseS, switches: count }: typeof RUNS[number],
  progress: Progress,
): Promise<Figure[]> {
  const library = await compileReference();
  const folder = await Deno.makeTempDir();
  await using cleanUp = new AsyncDisposableStack();
  cleanUp.defer(() => Deno.remove(folder, { recursive: true }));
  const source = `${folder}/loop.mp4`;
  await writeLoop(source);
  await using server = await ServerProcess.start({
    config: {
      "video.fps": FPS,
      "renderer.library": library,
      "renderer.options": JSON.stringify({ idle_after_s: phaseS, idle_for_s: phaseS }),
      "idle.source": source,
    },
  });
  await using browser = await openChromium();
  const page = await browser.newPage({ bypassCSP: true });
  await page.goto(`${server.origin}/healthz`);
  progress(`${count} switches, ${pauses} pauses`);
  const pictures = await watchPage(page, SETTLE_S + phaseS * (count + 1));
  const switches = pictures.flatMap(({ idle }, index) =>
    pictures[index - 1]?.idle === !idle && index >= AROUND ? [{ index, idle }] : []
  );
  const gapAt = (index: number) =>
    Math.max(...distances(pictures.slice(index - AROUND, index + AROUND)));
  const toIdle = switches.filter(({ idle }) => idle).map(({ index }) => gapAt(index));
  const back = switches.filter(({ idle }) => !idle).map(({ index }) => gapAt(index));
  const between = switches.slice(0, -1).map(({ index }) => gapAt(index + phaseS * FPS / 2));
  const named = (name: string) => `${name}, ${pauses} pauses`;
  return [
    { name: named("switches seen"), value: switches.length, unit: "", aimAtLeast: count },
    { name: named("gap at a switch to idle, median"), value: median(toIdle), unit: "ms" },
    { name: named("gap at a switch back, median"), value: median(back), unit: "ms" },
    {
      name: named("gap at a switch, worst"),
      value: Math.max(...toIdle, ...back),
      unit: "ms",
      aim: GAP_AIM_MS,
    },
    { name: named("gap halfway between, median"), value: median(between), unit: "ms" },
    { name: named("gap halfway between, worst"), value: Math.max(...between), unit: "ms" },
  ];
}

/** A second in which each picture differs from the last one. */
async function writeLoop(path: string): Promise<void> {
  const pictures = Array.from({ length: FPS }, (_, index) => ({
    left: 40 + 6 * index,
    right: 220 - 6 * index,
  }));
  const startsMs = pictures.map((_, index) => Math.round(index * 1000 / FPS));
  await writeVideo(path, { size: SIZE, pictures, startsMs, endMs: 1000 });
}

/** Of each picture from the one before, in milliseconds. */
function distances(pictures: readonly ShownPicture[]): number[] {
  return pictures.slice(1).map(({ atMs }, index) => atMs - (pictures[index]?.atMs ?? Number.NaN));
}

async function watchPage(page: Page, seconds: number): Promise<ShownPicture[]> {
  await page.addScriptTag({ content: `${readBlockCode}` });
  const pictures = await page.evaluate(watch, { session: "demo", seconds });
  const fromMs = (pictures[0]?.atMs ?? 0) + SETTLE_S * 1000;
  return pictures.filter(({ atMs }) => atMs >= fromMs);
}

/** Runs in the page, where {@link readBlockCode} is. */
async function watch(
  { session, seconds }: { session: string; seconds: number },
): Promise<ShownPicture[]> {
  const pictures: ShownPicture[] = [];
  const canvas = new OffscreenCanvas(320, 180);
  const context = canvas.getContext("2d", { willReadFrequently: true });
  const video = document.createElement("video");
  video.muted = video.playsInline = video.autoplay = true;
  document.body.append(video);
  const look = (_now: number, { presentationTime }: VideoFrameCallbackMetadata): void => {
    context?.drawImage(video, 0, 0, canvas.width, canvas.height);
    const picture = context?.getImageData(0, 0, canvas.width, canvas.height);
    const idle = picture === undefined || readBlockCode(picture) === undefined;
    pictures.push({ atMs: presentationTime, idle });
    video.requestVideoFrameCallback(look);
  };
  video.requestVideoFrameCallback(look);

  const peer = new RTCPeerConnection({ iceServers: [] });
  peer.addTransceiver("video", { direction: "recvonly" });
  peer.ontrack = ({ track }) => video.srcObject = new MediaStream([track]);
  await peer.setLocalDescription();
  const socket = new WebSocket(`ws://${location.host}/ws/${session}`);
  await new Promise((resolve) => socket.onopen = resolve);
  socket.onmessage = ({ data }) => {
    const { type, sdp } = JSON.parse(data);
    if (type === "answer") void peer.setRemoteDescription({ type, sdp });
  };
  socket.send(JSON.stringify({ type: "offer", sdp: peer.localDescription?.sdp }));
  await new Promise((resolve) => setTimeout(resolve, 1000 * seconds));
  socket.close();
  peer.close();
  return pictures;
}
