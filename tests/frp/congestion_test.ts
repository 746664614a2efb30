import assert from "assert";
import { BrowserPage } from "../support/browsers/browser_page.ts";
import {
  expectTimely,
  HUNGRY,
  onlyViewer,
  soundPackets,
  untilRate,
  watchFor,
} from "../support/network/congestion.ts";
import { frpBrowserTest, TunnelledServer } from "../support/frp/frp.ts";
import { withLimit, withoutLimit, withoutUdp } from "../support/frp/frp_edits.ts";
import { compileReference } from "../support/renderers/native.ts";
import type { ConfigValues } from "../support/servers/server_process.ts";

const CEILING_KBPS = HUNGRY["video.bitrate_kbps"];
/** Half of what the stream takes with its sound, its headers and, by UDP, base64: 225 and 160 kB/s. */
const LIMITS = { udp: 112_000, tcp: 80_000 } as const;
/** frp lets a second's worth pass before its limit holds. */
const UNTIL_FULL_S = 10;
const WATCH_S = 5;
/** While nobody speaks, some packets a second are all there is of sound. */
const SOUND_PACKETS_MIN = 10;

frpBrowserTest(
  "congestion: through frp's limited UDP proxy pictures are not late, and get better when it is lifted",
  async (browser, _, machine) => {
    await using tunnelled = await open("udp");
    const { server, tunnel, origin } = tunnelled;
    await using page = await BrowserPage.open(browser, origin);
    await machine.judge(() => expectToFit(tunnelled, page));

    await tunnel.reloadClient(withoutLimit(tunnel.clientConfig));
    await machine.judge(async () => {
      await untilRate(() => onlyViewer(server), {
        what: "near the ceiling",
        test: (kbps) => kbps > 0.9 * CEILING_KBPS,
      });
      expectTimely(await watchFor(page.video, 1));
    });
    expectUntroubled(page);
    // A renderer that stalls on a busy machine is among them.
    await machine.judge(() => assert.deepEqual(server.complaints, []));
  },
);

frpBrowserTest(
  "congestion: through frp's limited TCP proxy pictures are not late",
  async (browser, _, machine) => {
    await using tunnelled = await open("tcp");
    await using page = await BrowserPage.open(browser, tunnelled.origin);
    await machine.judge(() => expectToFit(tunnelled, page));
    expectUntroubled(page);
    // A renderer that stalls on a busy machine is among them.
    await machine.judge(() => assert.deepEqual(tunnelled.server.complaints, []));
  },
);

frpBrowserTest(
  "congestion: two sessions share a limited tunnel, and both go on",
  async (browser, _, machine) => {
    await using tunnelled = await open("udp", { "webrtc.peers_per_port": 2 });
    const { server, origin } = tunnelled;
    await using first = await BrowserPage.open(browser, `${origin}/?session=first`);
    await using second = await BrowserPage.open(browser, `${origin}/?session=second`);
    const pages = [first, second];
    await machine.judge(async () => {
      await Promise.all(pages.map((page) => watchFor(page.video, UNTIL_FULL_S)));
      const seen = await Promise.all(pages.map((page) => watchFor(page.video, WATCH_S)));
      for (const frames of seen) expectTimely(frames);
    });
    const viewers = (await server.sessions()).flatMap(({ viewers }) => viewers);
    assert.equal(viewers.length, 2);
    const targets = viewers.map(({ target_kbps }) => target_kbps);
    assert.ok(Math.max(...targets) < CEILING_KBPS, `The rates are ${targets}`);
    for (const page of pages) expectUntroubled(page);
    // A renderer that stalls on a busy machine is among them.
    await machine.judge(() => assert.deepEqual(server.complaints, []));
  },
);

/** A server behind a tunnel whose one media port takes half of what a stream needs. */
async function open(
  transport: "udp" | "tcp",
  config: ConfigValues = {},
): Promise<TunnelledServer> {
  const edits = { udp: (text: string) => text, tcp: withoutUdp };
  return await TunnelledServer.start({
    media: 1,
    config: {
      ...HUNGRY,
      "renderer.library": await compileReference(),
      "webrtc.tcp": transport === "tcp",
      ...config,
    },
    edit: (text) => withLimit(edits[transport](text), LIMITS[transport]),
  });
}

/** The only viewer gets as much as passes, and gets it in time: pictures and sound. */
async function expectToFit({ server }: TunnelledServer, page: BrowserPage): Promise<void> {
  await watchFor(page.video, UNTIL_FULL_S);
  const soundBefore = await soundPackets(page);
  expectTimely(await watchFor(page.video, WATCH_S));
  const sound = await soundPackets(page) - soundBefore;
  assert.ok(sound >= SOUND_PACKETS_MIN, `Only ${sound} packets of sound in ${WATCH_S} s`);
  const { target_kbps } = await onlyViewer(server);
  assert.ok(target_kbps < CEILING_KBPS, `Aims at ${target_kbps} kbit/s`);
}

/** Nothing went wrong in the page, and it sent one offer. */
function expectUntroubled({ errors, sent }: BrowserPage): void {
  assert.deepEqual(errors, []);
  assert.equal(sent.filter(({ type }) => type === "offer").length, 1);
}
