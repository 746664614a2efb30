import assert from "assert";
import type { Browser } from "playwright-core";
import { browserTest } from "../support/browsers/browser.ts";
import { assertSteady, BrowserPage, PageHost } from "../support/browsers/browser_page.ts";
import { ServerProcess } from "../support/servers/server_process.ts";
import { UdpRelay } from "../support/network/udp_relay.ts";

/** Plays the public server: another address, and the same port numbers. */
const PUBLIC_ADDRESS = "127.0.0.2";
const PORTS = 2;
const GAP_MAX = 15;

browserTest(
  "mapped port: a page that adds the public address by hand plays",
  async (browser, test) => {
    await using host = new PageHost();
    await using server = await ServerProcess.start({
      ports: PORTS,
      config: {
        "webrtc.public_ip": PUBLIC_ADDRESS,
        "server.allowed_origins": host.origin,
        "video.width": 640,
        "video.height": 360,
      },
    });
    await using tunnel = openTunnel(server.portMin);
    assert.equal(tunnel.ports, PORTS);

    await test.step("video alone, and a second page whose port is another than it thinks", async () => {
      await using first = await open(browser, { host, server });
      assertSteady(await first.read(15), { gapMax: GAP_MAX });
      await using second = await open(browser, { host, server });
      assertSteady(await second.read(15), { gapMax: GAP_MAX });
      assertAnnounced(first, server.portMin);
      assertAnnounced(second, server.portMin + 1);
      const ports = [await remoteOf(first), await remoteOf(second)];
      assert.deepEqual(ports, [
        { address: PUBLIC_ADDRESS, port: server.portMin },
        { address: PUBLIC_ADDRESS, port: server.portMin + 1 },
      ]);
      assert.deepEqual([...first.errors, ...second.errors], []);
    });

    await test.step("an offer whose first section is audio", async () => {
      await using page = await open(browser, { host, server, audio: true });
      assertSteady(await page.read(15), { gapMax: GAP_MAX });
      assert.deepEqual(page.errors, []);
    });
    assert.deepEqual(server.complaints, []);
  },
);

function open(
  browser: Browser,
  { host, server, audio = false }: { host: PageHost; server: ServerProcess; audio?: boolean },
): Promise<BrowserPage> {
  const query = new URLSearchParams({
    server: server.origin.replace("http", "ws"),
    session: "demo",
    address: PUBLIC_ADDRESS,
    port: String(server.portMin),
    ...(audio ? { audio: "" } : {}),
  });
  return BrowserPage.open(browser, `${host.origin}/mapped_port.html?${query}`);
}

/** The answer is what the page was promised: the public address, and nothing of the network behind it. */
function assertAnnounced(page: BrowserPage, port: number): void {
  const sdp = String(page.received.find(({ type }) => type === "answer")?.sdp);
  assert.match(sdp, new RegExp(`^c=IN IP4 ${PUBLIC_ADDRESS}\r$`, "m"));
  const candidates = sdp.match(/^a=candidate:.*(?=\r$)/gm) ?? [];
  assert.equal(candidates.length, 1);
  assert.match(candidates[0] ?? "", new RegExp(` udp \\d+ ${PUBLIC_ADDRESS} ${port} typ host$`));
}

async function remoteOf(page: BrowserPage): Promise<unknown> {
  return (await page.video.inbound()).remote;
}

/** A relay for each port, as an frp client has them. */
function openTunnel(portMin: number): AsyncDisposable & { readonly ports: number } {
  const relays = Array.from({ length: PORTS }, (_, at) => {
    const relay = new UdpRelay({ hostname: PUBLIC_ADDRESS, port: portMin + at });
    relay.passTo(portMin + at);
    return relay;
  });
  return {
    ports: relays.length,
    async [Symbol.asyncDispose]() {
      for (const relay of relays) await relay[Symbol.asyncDispose]();
    },
  };
}
