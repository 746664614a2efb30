/// <reference lib="dom" />
import assert from "assert";
import { firefoxTest } from "../support/browsers/browser.ts";
import { assertSteady } from "../support/browsers/browser_page.ts";
import { eventually } from "../support/deadline.ts";
import { ServerProcess } from "../support/servers/server_process.ts";
import { VIDEO_READER_SCRIPT, VideoReader } from "../support/browsers/video_reader.ts";

/** Firefox has loopback addresses for pages only that may use the microphone, and even then only if told so. */
const preferences = {
  "media.peerconnection.ice.loopback": true,
  "permissions.default.microphone": 1,
};

firefoxTest("viewer page: plays in Firefox", async (browser) => {
  await using server = await ServerProcess.start();
  const page = await browser.newPage();
  const errors: string[] = [];
  page.on("pageerror", (error) => errors.push(String(error)));
  await page.evaluateOnNewDocument(VIDEO_READER_SCRIPT);
  await page.goto(server.origin);
  const video = new VideoReader(page);
  assertSteady(await video.read(60), { gapMax: 15 });
  assert.equal(await video.unreadable(), 0);
  // Debian's offers no H.264; others do.
  assert.match((await video.inbound()).mimeType, /^video\/(VP8|H264)$/);
  assert.deepEqual(errors, []);
  assert.deepEqual(server.complaints, []);
}, { preferences });

firefoxTest("viewer page: explains in Firefox that no path was found", async (browser) => {
  await using server = await ServerProcess.start();
  const page = await browser.newPage();
  const errors: string[] = [];
  page.on("pageerror", (error) => errors.push(String(error)));
  // Without the preferences Firefox sends nothing to a loopback address.
  await page.goto(server.origin);
  const explained = () =>
    page.evaluate(() => document.getElementById("notice-text")?.textContent ?? "");
  await eventually(async () => (await explained()).includes(`127.0.0.1:${server.portMin}`), {
    what: "for the page to name the address without a path",
  });
  // What it logs of its own accord is no error of the page.
  assert.deepEqual(errors.filter((error) => !error.includes("WebRTC: ICE failed")), []);
});
