/// <reference lib="dom" />
import assert from "assert";
import { browserTest } from "../support/browsers/browser.ts";
import { BrowserPage } from "../support/browsers/browser_page.ts";
import { eventually } from "../support/deadline.ts";
import { drawMovingBar } from "../support/media/idle_media.ts";
import { compileReference } from "../support/renderers/native.ts";
import { ServerProcess } from "../support/servers/server_process.ts";
import type { PlayerNotice } from "../../src/viewer/pinhole.d.ts";

const SMALL = { "video.width": 640, "video.height": 360 };

/**
 * A hole in the stream, on the server's own clock: more than a busy machine makes of the two frames that a switch may
 * take. tests/integration/idle_switch_test.ts holds the switches to those two frames.
 */
const GAP_MS_MAX = 300;

const HOLES_MAX = 2;

/** Four switches. */
const SWITCHES_WATCHED_S = 9;

browserTest("idle pictures: the stream goes on without a hole, there and back", async (browser) => {
  const folder = await Deno.makeTempDir();
  await using cleanUp = new AsyncDisposableStack();
  cleanUp.defer(() => Deno.remove(folder, { recursive: true }));
  await drawMovingBar(folder);
  await using server = await ServerProcess.start({
    config: {
      ...SMALL,
      "renderer.library": await compileReference(),
      "renderer.options": JSON.stringify({ idle_after_s: 2, idle_for_s: 2 }),
      "idle.source": folder,
    },
  });
  await using viewer = await BrowserPage.open(browser, server.origin);
  await viewer.read(1);
  const { gapsMs, black, keyframes } = await viewer.page.evaluate(watchFrames, SWITCHES_WATCHED_S);
  const holes = gapsMs.filter((gap) => gap > GAP_MS_MAX);
  assert.ok(gapsMs.length > SWITCHES_WATCHED_S * 15, `Only ${gapsMs.length} frames`);
  // A busy machine skips a frame now and then, but four switches that left a hole each would be four.
  assert.ok(holes.length <= HOLES_MAX, `Holes of ${holes.map(Math.round).join(", ")} ms`);
  assert.equal(black, 0, "black frames");
  assert.equal(keyframes, 1, "no keyframe but the first");
  assert.ok(await viewer.video.unreadable() > 10, "idle pictures were shown");
  assert.deepEqual(viewer.errors, []);
});

browserTest(
  "idle pictures: a still one costs one frame a second, and a joiner sees it",
  async (browser) => {
    await using server = await ServerProcess.start({
      config: {
        ...SMALL,
        "renderer.library": await compileReference(),
        "renderer.options": JSON.stringify({ idle_after_s: 0.5, idle_for_s: 600 }),
      },
    });
    await using first = await BrowserPage.open(browser, server.origin);
    await eventually(async () => await first.video.unreadable() > 0, { what: "for the idle card" });
    const before = await server.metric("frames_sent_total");
    await first.page.waitForTimeout(4_000);
    const sent = await server.metric("frames_sent_total") - before;
    assert.ok(sent >= 2 && sent <= 6, `${sent} frames in four seconds`);
    await using second = await BrowserPage.open(browser, server.origin);
    await eventually(async () => await second.video.unreadable() > 0, { what: "for the card" });
  },
);

browserTest(
  "messages: text and bytes go to the renderer and back over the data channel",
  async (browser) => {
    await using server = await ServerProcess.start({
      config: { ...SMALL, "renderer.library": await compileReference() },
    });
    await using viewer = await BrowserPage.open(browser, `${server.origin}/healthz`);
    const heard = await viewer.page.evaluate(talk, `${server.origin}/pinhole.js`);
    assert.deepEqual(heard, ["Grüß Gott", [0, 255, 254, 1]]);
    assert.equal(await server.metric("messages_dropped_total"), 0);
  },
);

browserTest("messages: a page that floods the renderer is told, and plays on", async (browser) => {
  await using server = await ServerProcess.start({
    config: { ...SMALL, "renderer.library": await compileReference() },
  });
  await using viewer = await BrowserPage.open(browser, `${server.origin}/healthz`);
  const { notices, state } = await viewer.page.evaluate(flood, `${server.origin}/pinhole.js`);
  assert.equal(state, "playing");
  for (const notice of notices) {
    assert.ok(notice.code === "messages_dropped");
    // Whichever limit was met first.
    assert.match(notice.message, /120 messages and 256 KiB a second|more slowly than they arrive/);
    assert.ok(notice.count > 0);
  }
  assert.ok(server.log.some(({ event }) => event === "viewer_messages_dropped"));
});

/** Watches what is decoded: holes by RTP timestamp, black frames, and keyframes in all. */
async function watchFrames(
  seconds: number,
): Promise<{ gapsMs: number[]; black: number; keyframes: number }> {
  const video = document.querySelector("video");
  const canvas = new OffscreenCanvas(16, 9);
  const context = canvas.getContext("2d", { willReadFrequently: true });
  const gapsMs: number[] = [];
  let last: VideoFrameCallbackMetadata | undefined;
  let black = 0;
  const look = (_now: number, frame: VideoFrameCallbackMetadata): void => {
    if (!video || !context) return;
    if (last?.rtpTimestamp !== undefined && frame.rtpTimestamp !== undefined) {
      // A busy page is not told of every picture that it shows.
      const shown = frame.presentedFrames - last.presentedFrames;
      gapsMs.push((frame.rtpTimestamp - last.rtpTimestamp) / 90 / shown);
    }
    last = frame;
    context.drawImage(video, 0, 0, 16, 9);
    const { data } = context.getImageData(0, 0, 16, 9);
    if (data.every((value, at) => at % 4 === 3 || value < 8)) black++;
    video.requestVideoFrameCallback(look);
  };
  video?.requestVideoFrameCallback(look);
  await new Promise((resolve) => setTimeout(resolve, seconds * 1000));
  const [peer] = (Reflect.get(globalThis, "notebook") as { peers: RTCPeerConnection[] }).peers;
  let keyframes = 0;
  for (const [, stats] of await peer?.getStats() ?? []) keyframes += stats.keyFramesDecoded ?? 0;
  return { gapsMs, black, keyframes };
}

/** Says something as soon as the picture plays, and waits for both echoes. */
async function talk(client: string): Promise<(string | number[])[]> {
  const { PinholePlayer } = await import(client) as typeof import("../../src/viewer/pinhole.js");
  const video = document.body.appendChild(document.createElement("video"));
  const player = new PinholePlayer({ video, session: "talk" });
  const heard: (string | number[])[] = [];
  const both = new Promise<void>((resolve) => {
    player.addEventListener("message", (event) => {
      const { detail } = event as CustomEvent<string | ArrayBuffer>;
      heard.push(typeof detail === "string" ? detail : [...new Uint8Array(detail)]);
      if (heard.length === 2) resolve();
    });
  });
  player.start();
  // Bytes need the data channel, so their going out says that it is open.
  while (!player.send(Uint8Array.of(0, 255, 254, 1))) {
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  // Comes back from nobody: it only shows where this page is.
  player.send("");
  player.send("Grüß Gott");
  await both;
  player.stop();
  return heard.sort((a, b) => typeof a === typeof b ? 0 : typeof a === "string" ? -1 : 1);
}

/** Floods the renderer for two seconds. */
async function flood(client: string): Promise<{ notices: PlayerNotice[]; state: string }> {
  const { PinholePlayer } = await import(client) as typeof import("../../src/viewer/pinhole.js");
  const video = document.body.appendChild(document.createElement("video"));
  const player = new PinholePlayer({ video, session: "flood" });
  const notices: PlayerNotice[] = [];
  player.addEventListener("notice", (event) => {
    notices.push((event as CustomEvent<PlayerNotice>).detail);
  });
  const wait = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));
  player.start();
  while (player.state !== "playing") await wait(20);
  if (player.send("x".repeat(65_537))) throw new Error("It says that it sent what is too long");
  while (notices.length < 2) {
    for (let count = 0; count < 300; count++) player.send(`${count}`);
    await wait(100);
  }
  const before = player.stats?.framesDecoded ?? 0;
  while ((player.stats?.framesDecoded ?? 0) <= before) await wait(100);
  const { state } = player;
  player.stop();
  return { notices, state };
}
