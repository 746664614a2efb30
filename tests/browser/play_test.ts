import assert from "assert";
import { browserTest } from "../support/browsers/browser.ts";
import { assertSteady, BrowserPage } from "../support/browsers/browser_page.ts";
import { eventually } from "../support/deadline.ts";
import { ServerProcess } from "../support/servers/server_process.ts";

/** Half a second: more than a busy machine drops, far less than a stream that stalls. */
const GAP_MAX = 15;

const RELOADS = 20;

browserTest("viewer page: plays the test pattern by H.264", async (browser) => {
  await using server = await ServerProcess.start();
  await using viewer = await BrowserPage.open(browser, server.origin);
  const frames = await viewer.read(60);
  assertSteady(frames, { gapMax: GAP_MAX });
  assert.deepEqual([frames[0]?.width, frames[0]?.height], [1280, 720]);
  for (const { drawnAtMs, shownAtMs } of frames) assert.ok(drawnAtMs <= shownAtMs);
  assert.equal(await viewer.video.unreadable(), 0);
  const { mimeType, remote } = await viewer.video.inbound();
  assert.equal(mimeType, "video/H264");
  assert.deepEqual(remote, { address: "127.0.0.1", port: server.portMin });
  assert.deepEqual(viewer.errors, []);
  assert.deepEqual(server.complaints, []);
});

browserTest("viewer page: plays the test pattern by VP8", async (browser) => {
  await using server = await ServerProcess.start({ config: { "video.codec": "vp8" } });
  await using viewer = await BrowserPage.open(browser, server.origin);
  assertSteady(await viewer.read(60), { gapMax: GAP_MAX });
  assert.equal((await viewer.video.inbound()).mimeType, "video/VP8");
  assert.deepEqual(viewer.errors, []);
});

browserTest("viewer page: reloads leave no place behind", async (browser) => {
  await using server = await ServerProcess.start();
  await using viewer = await BrowserPage.open(browser, server.origin);
  for (let reload = 0; reload < RELOADS; reload++) {
    // Some while it plays, some while it connects.
    if (reload % 4 === 0) await viewer.read(1);
    await viewer.page.reload();
  }
  await viewer.read(10);
  // Chromium does not always send what a page says as it goes; a viewer that never connected is missed a little later.
  await eventually(async () => await server.metric("port_places", { state: "used" }) === 1, {
    what: "for all places but one to come back",
  });
  assert.equal(await server.metric("viewers"), 1);
  assert.equal(await server.metric("sessions"), 1);
  assert.equal(await server.metric("viewers_refused_total"), 0);
  await viewer.read(1);
  assert.deepEqual(viewer.errors, []);
  assert.deepEqual(server.complaints, []);

  await viewer.page.goto("about:blank");
  await eventually(async () => await server.metric("port_places", { state: "used" }) === 0, {
    what: "for the last place to come back",
  });
});
