/// <reference lib="dom" />
import type { Browser, BrowserContext, Page } from "playwright-core";
import { within } from "../support/deadline.ts";
import { VIDEO_READER_SCRIPT, VideoReader } from "../support/browsers/video_reader.ts";

/** Milliseconds from the open WebSocket on. */
export interface JoinTimes {
  readonly answerMs: number;
  readonly connectedMs: number;
  /** When the page was about to show the first frame. */
  readonly firstFrameMs: number;
}

/** A page with viewers that are as plain as viewers can be: what is measured is the server and the browser. */
export class ViewerPage implements AsyncDisposable {
  /** Reads the frames of the page's first viewer. */
  readonly video: VideoReader;
  readonly #page: Page;
  readonly #context: BrowserContext;

  private constructor(context: BrowserContext, page: Page) {
    this.#context = context;
    this.#page = page;
    this.video = new VideoReader(page);
  }

  /**
   * Opens a page of the server's origin without viewers.
   * @param server Where the browser finds it: `http://HOST:PORT`.
   * @param options.readFrames Whether the block code of each frame is read, which costs the browser some CPU time.
   */
  static async open(
    browser: Browser,
    server: { readonly origin: string },
    { readFrames = false }: { readFrames?: boolean } = {},
  ): Promise<ViewerPage> {
    const context = await browser.newContext();
    const page = await context.newPage();
    await page.addInitScript(prepare);
    if (readFrames) await page.addInitScript({ content: VIDEO_READER_SCRIPT });
    // A page without scripts of its own.
    await page.goto(`${server.origin}/healthz`);
    return new ViewerPage(context, page);
  }

  /**
   * Adds a viewer and waits for its first frame. The first one takes the page's own video element.
   * @param options.transport The only one whose candidate the browser is shown. Default: it chooses.
   */
  join(
    session: string,
    { transport }: { transport?: "udp" | "tcp" } = {},
  ): Promise<JoinTimes> {
    const other = transport === undefined ? undefined : { udp: "tcp", tcp: "udp" }[transport];
    const joined = this.#page.evaluate(joinSession, { session, hidden: other });
    return within(joined, { what: "for a first frame" });
  }

  /** Ends the viewer that was added last. */
  async leave(): Promise<void> {
    await this.#page.evaluate(() => Reflect.get(globalThis, "leaves").pop()());
  }

  async [Symbol.asyncDispose](): Promise<void> {
    // A clean close of the WebSockets, which frees the places at once.
    await this.#page.goto("about:blank");
    await this.#context.close();
  }
}

async function joinSession(
  { session, hidden }: { session: string; hidden: string | undefined },
): Promise<JoinTimes> {
  const peer = new RTCPeerConnection({ iceServers: [] });
  peer.addTransceiver("video", { direction: "recvonly" });
  // Ready before the WebSocket opens, so that the making of the browser's certificate is not measured.
  await peer.setLocalDescription();
  const video = freeVideoElement();
  peer.ontrack = ({ track }) => video.srcObject = new MediaStream([track]);

  const socket = new WebSocket(`ws://${location.host}/ws/${session}`);
  addEventListener("pagehide", () => socket.close());
  Reflect.get(globalThis, "leaves").push(() => {
    socket.close();
    peer.close();
    video.srcObject = null;
  });
  await new Promise((resolve) => socket.onopen = resolve);
  const openedMs = performance.now();
  socket.send(JSON.stringify({ type: "offer", sdp: peer.localDescription?.sdp }));
  const firstFrame = new Promise<number>((resolve) => {
    video.requestVideoFrameCallback(() => resolve(performance.now()));
  });
  const connected = new Promise<number>((resolve) => {
    peer.onconnectionstatechange = () => {
      if (peer.connectionState === "connected") resolve(performance.now());
    };
  });
  const answered = new Promise<number>((resolve, reject) => {
    socket.onmessage = async ({ data }) => {
      const message = JSON.parse(data);
      if (message.type === "error") reject(new Error(message.message));
      if (message.type !== "answer") return;
      resolve(performance.now());
      const candidates = new RegExp(`^a=candidate:\\S+ 1 ${hidden} .*\r\n`, "gm");
      await peer.setRemoteDescription({ type: "answer", sdp: message.sdp.replace(candidates, "") });
    };
  });
  return {
    answerMs: await answered - openedMs,
    connectedMs: await connected - openedMs,
    firstFrameMs: await firstFrame - openedMs,
  };

  function freeVideoElement(): HTMLVideoElement {
    const free = [...document.querySelectorAll("video")].find(({ srcObject }) => !srcObject);
    if (free !== undefined) return free;
    const another = document.createElement("video");
    another.muted = another.playsInline = another.autoplay = true;
    return document.body.appendChild(another);
  }
}

function prepare(): void {
  Object.assign(globalThis, { leaves: [] });
  addEventListener("DOMContentLoaded", () => {
    const video = document.createElement("video");
    video.muted = video.playsInline = video.autoplay = true;
    document.body.append(video);
  });
}
