/// <reference lib="dom" />
import type { Page } from "playwright-core";
import { readBlockCode } from "../../src/renderer/block_code.ts";

/** Chromium plays sound without a gesture, and brings it into the page undelayed. */
export const LIP_SYNC_ARGS = ["--autoplay-policy=no-user-gesture-required"] as const;

/** The API that Chromium has and the DOM's types do not. */
interface TrackProcessor {
  readonly readable: ReadableStream<AudioData>;
}

/** How lip sync is measured. */
export interface LipSyncOptions {
  /** `ws://` address of a session that shows the test pattern. */
  readonly url: string;
  readonly seconds: number;
  /**
   * Wall-clock milliseconds at which the session began, asked for in the end. The flash is as late as the first frame
   * of its second, up to one frame interval; without this, that counts as an error.
   */
  readonly sessionStartMs?: () => number;
}

/**
 * Plays a session with sound and holds each flash of the picture against its beep.
 * @returns Of each second, how much later the beep was heard than the flash was seen, in milliseconds.
 */
export async function measureLipSync(
  page: Page,
  { url, seconds, sessionStartMs }: LipSyncOptions,
): Promise<number[]> {
  await page.addScriptTag({ content: `${readBlockCode}` });
  const heard = await page.evaluate(watchAndListen, { url, seconds });
  const startMs = sessionStartMs?.();
  const lateMs = startMs === undefined ? 0 : flashDelayMs(heard.flashes, startMs);
  // The page gets the sound before the loudspeaker does; what is seen is timed by when it is on the screen.
  const beeps = heard.beeps.map((beep) => beep + heard.outputLatencyMs);
  return heard.flashes.flatMap(({ seenMs }) => {
    const dueMs = seenMs - lateMs;
    const nearest = beeps.reduce(
      (best, beep) => Math.abs(beep - dueMs) < Math.abs(best - dueMs) ? beep : best,
      Number.POSITIVE_INFINITY,
    );
    return Math.abs(nearest - dueMs) < 500 ? [nearest - dueMs] : [];
  });
}

/** A frame with which a flash begins. */
interface Flash {
  /** When it was due on the screen. */
  readonly seenMs: number;
  /** When it was drawn; wall-clock milliseconds. */
  readonly drawnAtMs: number;
}

/** How long after a full second of the session its flashes were drawn: always the same, as frames are evenly spaced. */
function flashDelayMs(flashes: readonly Flash[], startMs: number): number {
  const delays = flashes.map(({ drawnAtMs }) => (drawnAtMs - startMs) % 1000);
  return delays.toSorted((a, b) => a - b)[Math.floor(delays.length / 2)] ?? Number.NaN;
}

/** Runs in the page, where {@link readBlockCode} is; times are those of `performance.now()`. */
async function watchAndListen(
  { url, seconds }: { url: string; seconds: number },
): Promise<{ flashes: Flash[]; beeps: number[]; outputLatencyMs: number }> {
  const peer = new RTCPeerConnection({ iceServers: [] });
  const stream = new MediaStream();
  const video = document.createElement("video");
  Object.assign(video, { autoplay: true, playsInline: true, srcObject: stream });
  document.body.append(video);
  peer.addTransceiver("video", { direction: "recvonly" });
  peer.addTransceiver("audio", { direction: "recvonly" });
  const flashes: Flash[] = [];
  const beeps: number[] = [];

  const watch = (): void => {
    const readable = (width: number, height: number) =>
      new OffscreenCanvas(width, height).getContext("2d", { willReadFrequently: true });
    const context = readable(1, 1);
    const whole = readable(320, 180);
    const noteFlash = (seenMs: number): void => {
      whole?.drawImage(video, 0, 0, 320, 180);
      const picture = whole?.getImageData(0, 0, 320, 180);
      const code = picture && readBlockCode(picture);
      if (code !== undefined) flashes.push({ seenMs, drawnAtMs: code.sentAtMs });
    };
    let lit = true;
    const look = (_now: number, { expectedDisplayTime }: VideoFrameCallbackMetadata): void => {
      // One pixel of the corner that flashes.
      const { videoWidth, videoHeight } = video;
      context?.drawImage(video, videoWidth * 0.9, videoHeight * 0.9, 1, 1, 0, 0, 1, 1);
      const white = (context?.getImageData(0, 0, 1, 1).data[0] ?? 0) > 128;
      if (white && !lit) noteFlash(expectedDisplayTime);
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

  peer.ontrack = ({ track, receiver }) => {
    // As pinhole.js does.
    receiver.jitterBufferTarget = 0;
    stream.addTrack(track);
    if (track.kind === "audio") void listen(track);
    else watch();
  };
  const socket = new WebSocket(url);
  await new Promise((resolve) => socket.onopen = resolve);
  await peer.setLocalDescription();
  socket.onmessage = ({ data }) => {
    const { type, sdp } = JSON.parse(data);
    if (type === "answer") void peer.setRemoteDescription({ type, sdp });
  };
  socket.send(JSON.stringify({ type: "offer", sdp: peer.localDescription?.sdp }));
  const output = new AudioContext();
  const tone = output.createOscillator();
  const silence = output.createGain();
  silence.gain.value = 0;
  tone.connect(silence).connect(output.destination);
  tone.start();
  await new Promise((resolve) => setTimeout(resolve, seconds * 1000));
  const outputLatencyMs = output.outputLatency * 1000;
  await output.close();
  socket.send(JSON.stringify({ type: "bye" }));
  peer.close();
  return { flashes, beeps, outputLatencyMs };
}
