import assert from "assert";
import type { Browser } from "playwright-core";
import { browserTest, firefoxTest } from "../support/browsers/browser.ts";
import { assertSteady, BrowserPage } from "../support/browsers/browser_page.ts";
import { eventually } from "../support/deadline.ts";
import { ServerProcess } from "../support/servers/server_process.ts";
import { TcpRelay } from "../support/network/tcp_relay.ts";
import { UdpRelay } from "../support/network/udp_relay.ts";
import {
  type SeenFrame,
  VIDEO_READER_SCRIPT,
  VideoReader,
} from "../support/browsers/video_reader.ts";

/** Plays the public server: another address, and the same port numbers. */
const PUBLIC_ADDRESS = "127.0.0.2";
const GAP_MAX = 15;
const BACKLOG = { reason: "tcp_backlog" } as const;

/** A server with one place, and the way to it: TCP passes, and UDP is swallowed unless it is let through. */
class Setting implements AsyncDisposable {
  readonly server: ServerProcess;
  readonly tcp: TcpRelay;
  readonly #udp: UdpRelay;

  private constructor(server: ServerProcess) {
    const at = { hostname: PUBLIC_ADDRESS, port: server.portMin };
    this.server = server;
    this.tcp = new TcpRelay(server.portMin, { at });
    this.#udp = new UdpRelay(at);
  }

  static async start(): Promise<Setting> {
    const server = await ServerProcess.start({
      ports: 1,
      config: {
        "webrtc.tcp": true,
        "webrtc.public_ip": PUBLIC_ADDRESS,
        "video.width": 640,
        "video.height": 360,
      },
    });
    return new Setting(server);
  }

  letUdpThrough(): void {
    this.#udp.passTo(this.server.portMin);
  }

  open(browser: Browser): Promise<BrowserPage> {
    return BrowserPage.open(browser, this.server.origin);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.tcp.close();
    await this.#udp[Symbol.asyncDispose]();
    await this.server[Symbol.asyncDispose]();
  }
}

/** The two ends of the pair that the page's newest connection has selected. */
async function selectedPair(page: BrowserPage): Promise<unknown> {
  return await page.page.evaluate(`(async () => {
    const report = await notebook.peers.at(-1).getStats();
    const all = [];
    report.forEach((stats) => all.push(stats));
    const transport = all.find(({ type }) => type === "transport");
    const pair = report.get(transport.selectedCandidatePairId);
    return [pair.localCandidateId, pair.remoteCandidateId].map((id) => {
      const { protocol, tcpType } = report.get(id);
      return tcpType ? protocol + " " + tcpType : protocol;
    });
  })()`);
}

/** Milliseconds from a frame's drawing to its showing, in the middle of these. */
function medianDelay(frames: readonly SeenFrame[]): number {
  const delays = frames.map(({ drawnAtMs, shownAtMs }) => shownAtMs - drawnAtMs).sort((a, b) =>
    a - b
  );
  return delays[delays.length >> 1] ?? Number.NaN;
}

/** Reads until a frame comes that was drawn after `sinceMs`. */
async function readNewer(page: Pick<VideoReader, "read">, sinceMs: number): Promise<void> {
  let [frame] = await page.read(1);
  while (frame !== undefined && frame.drawnAtMs < sinceMs) [frame] = await page.read(1);
}

function offers(page: BrowserPage): number {
  return page.sent.filter(({ type }) => type === "offer").length;
}

browserTest(
  "ICE-TCP: where UDP is swallowed Chromium plays by TCP, without growing delay",
  async (browser) => {
    await using setting = await Setting.start();
    await using page = await setting.open(browser);
    assertSteady(await page.read(15), { gapMax: GAP_MAX });
    assert.deepEqual(await selectedPair(page), ["tcp active", "tcp passive"]);
    const frames = await page.read(240);
    assertSteady(frames, { gapMax: GAP_MAX });
    const [early, late] = [medianDelay(frames.slice(0, 60)), medianDelay(frames.slice(-60))];
    assert.ok(late < early + 1_000, `The delay grew from ${early} ms to ${late} ms`);
    assert.equal((await page.video.inbound()).packetsLost, 0);
    assert.equal(await setting.server.metric("packets_dropped_total", BACKLOG), 0);
    assert.deepEqual(page.errors, []);
    assert.deepEqual(setting.server.complaints, []);
  },
);

browserTest("ICE-TCP: where UDP passes Chromium prefers it", async (browser) => {
  await using setting = await Setting.start();
  setting.letUdpThrough();
  await using page = await setting.open(browser);
  assertSteady(await page.read(60), { gapMax: GAP_MAX });
  assert.deepEqual(await selectedPair(page), ["udp", "udp"]);
});

browserTest(
  "ICE-TCP: after a cut the viewer in Chromium plays on by TCP",
  async (browser) => {
    await using setting = await Setting.start();
    await using page = await setting.open(browser);
    assertSteady(await page.read(15), { gapMax: GAP_MAX });
    for (const cuts of [1, 2]) {
      setting.tcp.cut();
      await readNewer(page, Date.now());
      assertSteady(await page.read(60), { gapMax: GAP_MAX });
      assert.ok(await setting.server.metric("ice_tcp_connections", { state: "proven" }) >= 1);
      // Mostly it connects by itself. Now and then it gives its connection up, and the page offers anew.
      assert.ok(offers(page) <= 1 + cuts);
    }
    assert.deepEqual(await selectedPair(page), ["tcp active", "tcp passive"]);
  },
);

browserTest(
  "ICE-TCP: after a long cut the page makes a new offer, and its old place is free",
  async (browser) => {
    await using setting = await Setting.start();
    await using page = await setting.open(browser);
    assertSteady(await page.read(15), { gapMax: GAP_MAX });
    setting.tcp.refuse();
    await eventually(() => offers(page) > 1, { what: "for a new offer" });
    setting.tcp.accept();
    await readNewer(page, Date.now());
    assertSteady(await page.read(30), { gapMax: GAP_MAX });
    assert.equal(await setting.server.metric("port_places", { state: "used" }), 1);
    assert.deepEqual(await selectedPair(page), ["tcp active", "tcp passive"]);
  },
);

firefoxTest("ICE-TCP: Firefox plays by TCP too, and goes on after a cut", async (browser) => {
  await using setting = await Setting.start();
  const page = await browser.newPage();
  await page.evaluateOnNewDocument(VIDEO_READER_SCRIPT);
  await page.goto(setting.server.origin);
  const video = new VideoReader(page);
  assertSteady(await video.read(30), { gapMax: GAP_MAX });
  setting.tcp.cut();
  await readNewer(video, Date.now());
  assertSteady(await video.read(30), { gapMax: GAP_MAX });
  assert.ok(await setting.server.metric("viewer_moves_total") >= 1);
  assert.equal(await setting.server.metric("viewers_joined_total"), 1);
}, {
  // Firefox has loopback addresses for pages only that may use the microphone, and even then only if told so.
  preferences: { "media.peerconnection.ice.loopback": true, "permissions.default.microphone": 1 },
});
