import assert from "assert";
import { browserTest } from "../support/browsers/browser.ts";
import { assertSteady, BrowserPage } from "../support/browsers/browser_page.ts";
import { TcpRelay } from "../support/network/tcp_relay.ts";
import { ServerProcess } from "../support/servers/server_process.ts";
import { freePortRange } from "../support/servers/test_server.ts";

/** Plays the provider's address. */
const PUBLIC_ADDRESS = "127.0.0.2";
const GAP_MAX = 15;

browserTest(
  "rented host: a page plays by the TCP port that the provider's variables name",
  async (browser) => {
    const { portMin: local } = freePortRange(1);
    const { portMin: mapped } = freePortRange(1);
    const relay = new TcpRelay(local, { at: { hostname: PUBLIC_ADDRESS, port: mapped } });
    try {
      await using server = await ServerProcess.start({
        config: {
          "webrtc.port_min": local,
          "webrtc.port_max": local + 4,
          "webrtc.public_ip": "",
          "video.width": 640,
          "video.height": 360,
        },
        variables: {
          RUNPOD_PUBLIC_IP: PUBLIC_ADDRESS,
          RUNPOD_TCP_PORT_22: "40022",
          [`RUNPOD_TCP_PORT_${local}`]: `${mapped}`,
        },
      });
      await using page = await BrowserPage.open(browser, server.origin);
      assertSteady(await page.read(15), { gapMax: GAP_MAX });
      const { remote } = await page.video.inbound();
      assert.deepEqual(remote, { address: PUBLIC_ADDRESS, port: mapped });
      assert.equal((await server.sessions())[0]?.viewers[0]?.transport, "tcp");
      assert.deepEqual(server.complaints, []);
    } finally {
      relay.close();
    }
  },
);
