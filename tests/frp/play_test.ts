/// <reference lib="dom" />
import assert from "assert";
import type { Page } from "playwright-core";
import { assertSteady, BrowserPage } from "../support/browsers/browser_page.ts";
import { eventually } from "../support/deadline.ts";
import { frpBrowserTest, TunnelledServer } from "../support/frp/frp.ts";
import { PUBLIC_ADDRESS } from "../support/frp/frp_ports.ts";
import type { PinholePlayer } from "../../src/viewer/pinhole.d.ts";

const PORTS = 5;
/** Light enough for as many streams as there are places, all of them in this machine's one browser. */
const SMALL = { "video.width": 320, "video.height": 180, "video.fps": 10 } as const;
const TINY = { "video.width": 160, "video.height": 120, "video.fps": 5 } as const;
const GAP_MAX = 15;

frpBrowserTest(
  "tunnel: plays from each of its five ports, and a sixth viewer waits",
  async (browser) => {
    await using tunnelled = await TunnelledServer.start({ config: SMALL });
    const { origin, server, publicPortMin } = tunnelled;
    assert.notEqual(publicPortMin, server.portMin);
    const publicPorts = Array.from({ length: PORTS }, (_, at) => publicPortMin + at);

    await using pages = new AsyncDisposableStack();
    const viewers: BrowserPage[] = [];
    for (const port of publicPorts) {
      const viewer = pages.use(await BrowserPage.open(browser, `${origin}/?session=port-${port}`));
      viewers.push(viewer);
      await viewer.read(1);
    }
    const seen = await Promise.all(viewers.map((viewer) => viewer.read(20)));
    for (const frames of seen) assertSteady(frames, { gapMax: GAP_MAX });
    const remotes = await Promise.all(viewers.map((viewer) => viewer.video.inbound()));
    assert.deepEqual(
      remotes.map(({ remote }) => remote).toSorted((a, b) => (a?.port ?? 0) - (b?.port ?? 0)),
      publicPorts.map((port) => ({ address: PUBLIC_ADDRESS, port })),
    );
    for (const [at, viewer] of viewers.entries()) {
      assertAnnounced(
        viewer,
        remotes[at]?.remote?.port,
      );
    }

    await using sixth = await BrowserPage.open(browser, `${origin}/?session=sixth`);
    const refusal = await sixth.told("the sixth viewer's refusal", ({ type }) => type === "error");
    assert.equal(refusal.code, "no_free_port");
    assert.ok(Number(refusal.retry_after_ms) > 0, "No retry_after_ms");
    // Whoever plays goes on undisturbed, and the sixth plays as soon as one of them leaves.
    await viewers[0]?.page.goto("about:blank");
    assertSteady(await sixth.read(10), { gapMax: GAP_MAX });
    assert.deepEqual((await sixth.video.inbound()).remote, remotes[0]?.remote);
    for (const viewer of viewers.slice(1)) assertSteady(await viewer.read(5), { gapMax: GAP_MAX });
    assert.deepEqual(viewers.flatMap(({ errors }) => errors), []);
    assert.deepEqual(server.complaints, []);
  },
);

frpBrowserTest(
  "tunnel: twenty viewers play through five ports with four places each",
  async (browser) => {
    const places = 4;
    await using tunnelled = await TunnelledServer.start({
      config: {
        ...TINY,
        "webrtc.peers_per_port": places,
        // Twenty handshakes at once may take a busy machine long.
        "webrtc.connect_timeout_s": 60,
        "audio.enabled": false,
      },
    });
    const { origin, server, publicPortMin } = tunnelled;
    const context = await browser.newContext();
    const page = await context.newPage();
    // Any page of the server's origin that does not play by itself.
    await page.goto(`${origin}/healthz`);
    await page.evaluate(startPlayers, { count: PORTS * places, sessions: 4 });
    await eventually(async () => (await look(page)).every(({ decoded }) => decoded >= 10), {
      what: "for twenty pictures that move",
      ms: 100_000,
    });
    const found = await look(page);
    assert.equal(found.length, PORTS * places);
    const perPort = Map.groupBy(found, ({ remote }) => `${remote?.address}:${remote?.port}`);
    assert.deepEqual(
      [...perPort].map(([address, players]) => [address, players.length]).toSorted(),
      Array.from({ length: PORTS }, (_, at) => [`${PUBLIC_ADDRESS}:${publicPortMin + at}`, places]),
    );
    assert.equal(await server.metric("viewers"), PORTS * places);
    await context.close();
    assert.deepEqual(server.complaints, []);
  },
);

/** The answer names the public address and the mapped port, and nothing of the network behind it. */
function assertAnnounced({ received }: BrowserPage, port: number | undefined): void {
  const sdp = String(received.find(({ type }) => type === "answer")?.sdp);
  const addresses = new Set(sdp.match(/\b\d+\.\d+\.\d+\.\d+\b/g));
  assert.deepEqual([...addresses], [PUBLIC_ADDRESS]);
  const candidates = sdp.match(/^a=candidate:.*(?=\r$)/gm) ?? [];
  assert.equal(candidates.length, 1);
  assert.match(candidates[0] ?? "", new RegExp(` udp \\d+ ${PUBLIC_ADDRESS} ${port} typ host$`));
}

/** Runs in the page. */
async function startPlayers(
  { count, sessions }: { count: number; sessions: number },
): Promise<void> {
  const client = "/pinhole.js";
  const { PinholePlayer } = await import(client);
  const players = Array.from({ length: count }, (_, at): PinholePlayer => {
    const video = document.createElement("video");
    document.body.append(video);
    return new PinholePlayer({ video, session: `shared-${at % sessions}`, muted: true });
  });
  Object.assign(globalThis, { players });
  for (const player of players) player.start();
}

interface Seen {
  readonly decoded: number;
  readonly remote: { readonly address: string; readonly port: number } | null;
}

function look(page: Page): Promise<Seen[]> {
  return page.evaluate(() => {
    const players: PinholePlayer[] = Reflect.get(globalThis, "players");
    return players.map(({ stats, selectedCandidate }) => ({
      decoded: stats?.framesDecoded ?? 0,
      remote: selectedCandidate,
    }));
  });
}
