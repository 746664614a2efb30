import assert from "assert";
import { DTLS_CONTENT } from "../../src/transport/dtls/dtls_records.ts";
import { browserTest } from "../support/browsers/browser.ts";
import { assertSteady, BrowserPage } from "../support/browsers/browser_page.ts";
import { eventually } from "../support/deadline.ts";
import { ServerProcess } from "../support/servers/server_process.ts";
import { UdpRelay } from "../support/network/udp_relay.ts";

/** The browser's next report ends the gap, well within a second; its next check, on a machine that is busy, in 2.5 s. */
const RECOVERY_FRAMES_MAX = 90;

browserTest("viewer: plays on from a new source port without a new offer", async (browser) => {
  await using relay = new UdpRelay();
  await using server = await ServerProcess.start({
    ports: 1,
    config: { "webrtc.public_ip": "127.0.0.1", "webrtc.public_port_min": relay.port },
  });
  relay.passTo(server.portMin);
  await using viewer = await BrowserPage.open(browser, server.origin);
  assertSteady(await viewer.read(15), { gapMax: 15 });
  assert.equal((await viewer.video.inbound()).remote?.port, relay.port);

  for (const moves of [1, 2]) {
    relay.reconnect();
    const movedAtMs = Date.now();
    // Frames from before may still be on their way.
    let [frame] = await viewer.read(1);
    while (frame !== undefined && frame.drawnAtMs < movedAtMs) [frame] = await viewer.read(1);
    // What the gap swallowed is sent again as far as it is still known; the rest is skipped.
    assertSteady(await viewer.read(30), { gapMax: RECOVERY_FRAMES_MAX });
    assertSteady(await viewer.read(30), { gapMax: 15 });
    assert.equal(await server.metric("viewer_moves_total"), moves);
  }
  assert.equal(viewer.sent.filter(({ type }) => type === "offer").length, 1);
  assert.equal(await server.metric("viewers_joined_total"), 1);
  assert.deepEqual(viewer.errors, []);
  assert.deepEqual(server.complaints, []);
});

browserTest("viewer: shows the server where it is while nothing comes", async (browser) => {
  let dataOnly = false;
  await using relay = new UdpRelay(undefined, {
    passes: ([first]) => !dataOnly || first === DTLS_CONTENT.applicationData,
  });
  await using server = await ServerProcess.start({
    ports: 1,
    config: { "webrtc.public_ip": "127.0.0.1", "webrtc.public_port_min": relay.port },
  });
  relay.passTo(server.portMin);
  await using viewer = await BrowserPage.open(browser, server.origin);
  assertSteady(await viewer.read(15), { gapMax: 15 });

  // Neither a check nor a report can tell.
  dataOnly = true;
  relay.reconnect();
  await eventually(async () => await server.metric("viewer_moves_total", { proof: "dtls" }) === 1, {
    what: "for the server to follow",
  });
  dataOnly = false;
  assertSteady(await viewer.read(30), { gapMax: RECOVERY_FRAMES_MAX });
  assert.equal(await server.metric("messages_dropped_total"), 0);
  assert.equal(viewer.sent.filter(({ type }) => type === "offer").length, 1);
  assert.deepEqual(viewer.errors, []);
  assert.deepEqual(server.complaints, []);
});
