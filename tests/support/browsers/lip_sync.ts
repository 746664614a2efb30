/// <reference lib="dom" />
import type { Page } from "playwright-core";

/** Chromium plays sound without a gesture, and brings it into the page undelayed. */
export const LIP_SYNC_ARGS = ["--autoplay-policy=no-user-gesture-required"] as const;

/** The API that Chromium has and the DOM's types do not. */
interface TrackProcessor {
  readonly readable: ReadableStream<AudioData>;
}

/** How lip sync is measured. */
export interface LipSyncOptions {
  /** Of a server whose sessions show the test pattern; the page is one of its pages. */
  readonly origin: string;
  readonly seconds: number;
}

/**
 * Plays a session with sound and holds each flash of the picture against its beep.
 * @returns Of each second, how much later the beep was heard than the flash was seen, in milliseconds.
 */
export async function measureLipSync(
  page: Page,
  { origin, seconds }: LipSyncOptions,
): Promise<number[]> {
  const heard = await page.evaluate(watchAndListen, {
    client: `${origin}/pinhole.js`,
    seconds,
  });
  // The page gets the sound before the loudspeaker does; what is seen is timed by when it is on the screen.
  const beeps = heard.beeps.map((beep) => beep + heard.outputLatencyMs);
  return heard.flashes.flatMap((flash) => {
    const nearest = beeps.reduce(
      (best, beep) => Math.abs(beep - flash) < Math.abs(best - flash) ? beep : best,
      Number.POSITIVE_INFINITY,
    );
    return Math.abs(nearest - flash) < 500 ? [nearest - flash] : [];
  });
}

/** Runs in the page; times are those of `performance.now()`. */
async function watchAndListen(
  { client, seconds }: { client: string; seconds: number },
): Promise<{ flashes: number[]; beeps: number[]; outputLatencyMs: number }> {
  const { PinholePlayer } = await import(client) as typeof import("../../../src/viewer/pinhole.js");
  const video = document.body.appendChild(document.createElement("video"));
  const player = new PinholePlayer({ video, session: "lips" });
  const flashes: number[] = [];
  const beeps: number[] = [];

  const watch = (): void => {
    const context = new OffscreenCanvas(1, 1).getContext("2d", { willReadFrequently: true });
    let lit = true;
    const look = (_now: number, { expectedDisplayTime }: VideoFrameCallbackMetadata): void => {
      // One pixel of the corner that flashes.
      const { videoWidth, videoHeight } = video;
      context?.drawImage(video, videoWidth * 0.9, videoHeight * 0.9, 1, 1, 0, 0, 1, 1);
      const white = (context?.getImageData(0, 0, 1, 1).data[0] ?? 0) > 128;
      if (white && !lit) flashes.push(expectedDisplayTime);
      lit = white;
      video.requestVideoFrameCallback(look);
    };
    video.requestVideoFrameCallback(look);
  };
  const listen = async (track: MediaStreamTrack): Promise<void> => {
    const Processor = Reflect.get(globalThis, "MediaStreamTrackProcessor") as new (
      init: { track: MediaStreamTrack },
    ) => TrackProcessor;
    const reader = new Processor({ track }).readable.getReader();
    let loud = true;
    for (let read = await reader.read(); read.value; read = await reader.read()) {
      const arrivedMs = performance.now();
      const { numberOfFrames, sampleRate } = read.value;
      const samples = new Float32Array(numberOfFrames);
      read.value.copyTo(samples, { planeIndex: 0, format: "f32-planar" });
      read.value.close();
      const first = samples.findIndex((sample) => Math.abs(sample) > 0.02);
      if (first >= 0 && !loud) beeps.push(arrivedMs + (first * 1000) / sampleRate);
      loud = first >= 0;
    }
  };

  player.addEventListener("track", (event) => {
    const { detail: track } = event as CustomEvent<MediaStreamTrack>;
    if (track.kind === "audio") void listen(track);
    else watch();
  });
  player.start();
  const output = new AudioContext();
  const tone = output.createOscillator();
  const silence = output.createGain();
  silence.gain.value = 0;
  tone.connect(silence).connect(output.destination);
  tone.start();
  await new Promise((resolve) => setTimeout(resolve, seconds * 1000));
  const outputLatencyMs = output.outputLatency * 1000;
  await output.close();
  player.stop();
  return { flashes, beeps, outputLatencyMs };
}
