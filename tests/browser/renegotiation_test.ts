/// <reference lib="dom" />
import assert from "assert";
import { browserTest, firefoxTest } from "../support/browsers/browser.ts";
import { BrowserPage, PageHost } from "../support/browsers/browser_page.ts";
import { type AnyPage, RenegotiatingPage } from "../support/browsers/renegotiating_page.ts";
import { type ConfigValues, ServerProcess } from "../support/servers/server_process.ts";
import { UdpRelay } from "../support/network/udp_relay.ts";

/** Firefox has loopback addresses for pages only that may use the microphone, and even then only if told so. */
const preferences = {
  "media.peerconnection.ice.loopback": true,
  "permissions.default.microphone": 1,
};

type Scenario = (
  page: AnyPage,
  setting: { origin: string; server: ServerProcess },
) => Promise<void>;

/** Registers a test for both browsers. */
function inBoth(name: string, scenario: Scenario): void {
  browserTest(`renegotiation: ${name}, in Chromium`, async (browser) => {
    await using host = new PageHost();
    await using server = await startServer(host);
    await using page = await BrowserPage.open(browser, `${host.origin}/whep.html`);
    await scenario(page.page, { origin: host.origin, server });
    assert.deepEqual(server.complaints, []);
  });
  firefoxTest(`renegotiation: ${name}, in Firefox`, async (browser) => {
    await using host = new PageHost();
    await using server = await startServer(host);
    await scenario(await browser.newPage(), { origin: host.origin, server });
    assert.deepEqual(server.complaints, []);
  }, { preferences });
}

/** With one place: a viewer that was taken for another would find none. */
function startServer(host: PageHost, config: ConfigValues = {}): Promise<ServerProcess> {
  return ServerProcess.start({
    ports: 1,
    config: { "server.allowed_origins": host.origin, ...config },
  });
}

inBoth("restartIce() keeps the viewer and its picture, after resume too", async (page, setting) => {
  const viewer = await RenegotiatingPage.play(page, setting);
  const before = await viewer.look();
  await viewer.change("restart");
  await viewer.showsPictures();
  const after = await viewer.look();
  assert.notEqual(after.ufrag, before.ufrag);
  assert.deepEqual(after.ssrcs, before.ssrcs);
  assert.equal(after.state, "connected");
  await viewer.run("resume()");
  await viewer.change("restart");
  await viewer.showsPictures();
  await viewer.change("nothing");
  await viewer.showsPictures();
  await viewer.isOneViewer();
});

inBoth("sound and a channel may be asked for later", async (page, setting) => {
  const viewer = await RenegotiatingPage.play(page, setting);
  await viewer.change("sound");
  await viewer.hears();
  await viewer.showsPictures();
  await viewer.change("channel");
  await viewer.sees(({ channel }) => channel === "open", "for the channel to open");
  await viewer.showsPictures();
  await viewer.change("spare");
  await viewer.showsPictures();
  await viewer.hears();
  await viewer.isOneViewer();
});

inBoth("pictures and sound may be paused, stopped and asked for again", async (page, setting) => {
  const viewer = await RenegotiatingPage.play(page, setting);
  await viewer.change("pause", "sound");
  await viewer.hears();
  const { pictures } = await viewer.look();
  await viewer.hears();
  assert.ok((await viewer.look()).pictures <= pictures + 2, "pictures came while paused");
  await viewer.change("play", "mute");
  await viewer.showsPictures();
  const { sound } = await viewer.look();
  await viewer.showsPictures();
  assert.ok((await viewer.look()).sound <= sound + 2, "sound came while muted");
  await viewer.change("unmute");
  await viewer.hears();
  await viewer.change("stop");
  await viewer.showsPictures();
  // A new section takes the place of the stopped one.
  await viewer.change("sound", "restart");
  await viewer.hears();
  await viewer.showsPictures();
  await viewer.isOneViewer();
});

browserTest(
  "renegotiation: the picture goes on when a tunnel reconnects after, before and amid it",
  async (browser) => {
    await using host = new PageHost();
    await using relay = new UdpRelay();
    await using server = await startServer(host, {
      "webrtc.public_ip": "127.0.0.1",
      "webrtc.public_port_min": relay.port,
    });
    relay.passTo(server.portMin);
    await using page = await BrowserPage.open(browser, `${host.origin}/whep.html`);
    const viewer = await RenegotiatingPage.play(page.page, { origin: host.origin, server });
    await viewer.change("restart");
    relay.reconnect();
    await viewer.showsPictures();
    await viewer.change("sound", "restart");
    await viewer.hears();
    relay.reconnect();
    await viewer.change("restart");
    await viewer.showsPictures();
    await viewer.hears();
    await viewer.isOneViewer();
  },
);

browserTest("renegotiation: a page may change the codec", async (browser) => {
  await using host = new PageHost();
  await using server = await startServer(host);
  await using page = await BrowserPage.open(browser, `${host.origin}/whep.html`);
  const viewer = await RenegotiatingPage.play(page.page, { origin: host.origin, server });
  assert.equal((await viewer.look()).codec, "video/H264");
  await viewer.change("vp8");
  await viewer.showsPictures();
  assert.equal((await viewer.look()).codec, "video/VP8");
  await viewer.isOneViewer();
});

browserTest(
  "renegotiation: in the prefixed dialect, with sections that are bundle-only",
  async (browser) => {
    await using host = new PageHost();
    await using server = await startServer(host);
    await using page = await BrowserPage.open(browser, `${host.origin}/whep.html`);
    const viewer = await RenegotiatingPage.play(page.page, {
      origin: host.origin,
      server,
      query: { dialect: "prefixed", bundle: "max-bundle" },
    });
    await viewer.change("restart");
    await viewer.showsPictures();
    await viewer.change("sound", "channel");
    await viewer.hears();
    // The dialect has no word for resume.
    await viewer.run("reopen()");
    await viewer.change("restart");
    await viewer.showsPictures();
    await viewer.hears();
    await viewer.isOneViewer();
  },
);
