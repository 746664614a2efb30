import assert from "assert";
import { assertSteady, BrowserPage } from "../support/browsers/browser_page.ts";
import { frpBrowserTest, TunnelledServer } from "../support/frp/frp.ts";
import { withoutUdp } from "../support/frp/frp_edits.ts";
import { PUBLIC_ADDRESS } from "../support/frp/frp_ports.ts";

const GAP_MAX = 15;

frpBrowserTest(
  "tunnel: where it maps TCP alone viewers play by ICE-TCP, and again when frpc is back",
  async (browser) => {
    await using tunnelled = await TunnelledServer.start({
      config: { "webrtc.tcp": true, "video.width": 640, "video.height": 360 },
      media: 2,
      edit: withoutUdp,
    });
    const { origin, server, tunnel, publicPortMin } = tunnelled;
    await using page = await BrowserPage.open(browser, origin);
    assertSteady(await page.read(60), { gapMax: GAP_MAX });
    assert.deepEqual((await page.video.inbound()).remote, {
      address: PUBLIC_ADDRESS,
      port: publicPortMin,
    });
    assert.ok(await server.metric("ice_tcp_connections", { state: "proven" }) >= 1);
    assert.equal((await page.video.inbound()).packetsLost, 0);
    assert.equal(await server.metric("packets_dropped_total", { reason: "tcp_backlog" }), 0);

    await tunnel.killClient();
    await tunnel.startClient();
    const backAtMs = Date.now();
    let [frame] = await page.read(1);
    while (frame !== undefined && frame.drawnAtMs < backAtMs) [frame] = await page.read(1);
    assertSteady(await page.read(60), { gapMax: GAP_MAX });
    assert.ok(await server.metric("ice_tcp_connections", { state: "proven" }) >= 1);
    assert.equal(await server.metric("port_places", { state: "used" }), 1);
  },
);
