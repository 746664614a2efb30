/// <reference lib="dom" />
import { readBlockCode } from "../media/block_code.ts";
import type { BlockCode } from "../../../src/renderer/block_code.ts";
import { within } from "../deadline.ts";

/** A decoded frame whose block code was read in the page. */
export interface SeenFrame {
  readonly frameNumber: number;
  /** When the renderer drew it; wall-clock milliseconds, as `shownAtMs`. */
  readonly drawnAtMs: number;
  /** When the page was about to show it. */
  readonly shownAtMs: number;
  /** The video element's time, in seconds. */
  readonly currentTimeS: number;
  /** Pixels of the decoded picture. */
  readonly width: number;
  readonly height: number;
}

/** The receiving side of a page's newest peer connection. */
export interface InboundVideo {
  /** Such as `video/H264`. */
  readonly mimeType: string;
  readonly framesDecoded: number;
  readonly framesDropped: number;
  readonly packetsLost: number;
  /** Of the selected pair: where the media comes from. Chromium only. */
  readonly remote: { readonly address: string; readonly port: number } | undefined;
}

/** What Playwright's and Puppeteer's pages have in common, as far as it is needed here. */
export interface ScriptedPage {
  /** Settles as the expression's promise does. */
  evaluate(expression: string): Promise<unknown>;
}

/** What the script leaves in the page for {@link VideoReader}, as `globalThis.notebook`. */
interface Notebook {
  readonly frames: SeenFrame[];
  /** Frames that showed no block code. */
  unreadable: number;
  readonly peers: RTCPeerConnection[];
  readonly waiting: Set<() => void>;
}

/**
 * A page that runs this before its own scripts keeps note of its peer connections, and reads the block code of every
 * new frame that its first video element shows.
 */
export const VIDEO_READER_SCRIPT = `(${keepNotes})(${readBlockCode})`;

/** Reads frames in a page that runs {@link VIDEO_READER_SCRIPT}. */
export class VideoReader {
  readonly #page: ScriptedPage;

  constructor(page: ScriptedPage) {
    this.#page = page;
  }

  /** Waits for the next `count` frames that the page shows. */
  read(count: number): Promise<SeenFrame[]> {
    const frames = this.#page.evaluate(`(${nextFrames})(${count})`) as Promise<SeenFrame[]>;
    return within(frames, { what: `for ${count} frames in the page` });
  }

  /** The frame that the page showed at a moment of the wall clock, and all since. */
  shownSince(ms: number): Promise<SeenFrame[]> {
    return this.#page.evaluate(`(${framesSince})(${ms})`) as Promise<SeenFrame[]>;
  }

  /** Frames that showed no block code since the page was loaded. */
  unreadable(): Promise<number> {
    return this.#page.evaluate("notebook.unreadable") as Promise<number>;
  }

  /** What the newest peer connection says of the video that it receives. */
  inbound(): Promise<InboundVideo> {
    return this.#page.evaluate(`(${inboundVideo})()`) as Promise<InboundVideo>;
  }
}

function keepNotes(read: typeof readBlockCode): void {
  const notebook: Notebook = { frames: [], unreadable: 0, peers: [], waiting: new Set() };
  Object.assign(globalThis, {
    notebook,
    RTCPeerConnection: class extends RTCPeerConnection {
      constructor(configuration?: RTCConfiguration) {
        super(configuration);
        notebook.peers.push(this);
      }
    },
  });
  // Small, since reading pixels back costs more than the video does; the code survives that.
  const canvas = new OffscreenCanvas(320, 180);
  const context = canvas.getContext("2d", { willReadFrequently: true });

  addEventListener("DOMContentLoaded", () => {
    const video = document.querySelector("video");
    if (video !== null) watch(video);
  });

  function watch(video: HTMLVideoElement): void {
    video.requestVideoFrameCallback((_now, { width, height }) => {
      const shownAtMs = Date.now();
      context?.drawImage(video, 0, 0, canvas.width, canvas.height);
      const picture = context?.getImageData(0, 0, canvas.width, canvas.height);
      const code = picture && read(picture);
      if (code === undefined) notebook.unreadable++;
      else note({ ...code, shownAtMs, currentTimeS: video.currentTime, width, height });
      for (const wake of notebook.waiting) wake();
      watch(video);
    });
  }

  /** A picture that is sent again for the sake of a keyframe, or that Firefox shows twice, is no new frame. */
  function note({ sentAtMs: drawnAtMs, ...frame }: Omit<SeenFrame, "drawnAtMs"> & BlockCode): void {
    const last = notebook.frames.at(-1);
    if (last?.frameNumber === frame.frameNumber && last.drawnAtMs === drawnAtMs) return;
    notebook.frames.push({ ...frame, drawnAtMs });
  }
}

function nextFrames(count: number): Promise<SeenFrame[]> {
  const { frames, waiting }: Notebook = Reflect.get(globalThis, "notebook");
  const from = frames.length;
  return new Promise((resolve) => {
    const look = () => {
      if (frames.length < from + count) return;
      waiting.delete(look);
      resolve(frames.slice(from, from + count));
    };
    waiting.add(look);
    look();
  });
}

function framesSince(ms: number): SeenFrame[] {
  const { frames }: Notebook = Reflect.get(globalThis, "notebook");
  const before = frames.findLastIndex(({ shownAtMs }) => shownAtMs < ms);
  return frames.slice(Math.max(0, before));
}

async function inboundVideo(): Promise<InboundVideo> {
  const { peers }: Notebook = Reflect.get(globalThis, "notebook");
  const report = await peers.at(-1)?.getStats();
  const all: RTCStats[] = [];
  report?.forEach((stats: RTCStats) => all.push(stats));
  const get = (id: unknown) => report?.get(String(id));
  const inbound = all.find((stats) =>
    stats.type === "inbound-rtp" && Reflect.get(stats, "kind") === "video"
  ) as RTCInboundRtpStreamStats | undefined;
  if (inbound === undefined) throw new Error("No video is received");
  const remote = get(get(get(inbound.transportId)?.selectedCandidatePairId)?.remoteCandidateId);
  return {
    mimeType: get(inbound.codecId)?.mimeType ?? "",
    framesDecoded: inbound.framesDecoded ?? 0,
    framesDropped: inbound.framesDropped ?? 0,
    packetsLost: inbound.packetsLost ?? 0,
    remote: remote && { address: remote.address, port: remote.port },
  };
}
