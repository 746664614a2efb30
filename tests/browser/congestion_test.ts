import assert from "assert";
import type { ViewerReport } from "../../src/session/report.ts";
import { browserTest, firefoxTest } from "../support/browsers/browser.ts";
import { BrowserPage } from "../support/browsers/browser_page.ts";
import {
  expectTimely,
  HUNGRY,
  onlyViewer,
  untilRate,
  watchFor,
} from "../support/network/congestion.ts";
import { compileReference } from "../support/renderers/native.ts";
import { SlowSite } from "../support/network/slow_site.ts";
import { VIDEO_READER_SCRIPT, VideoReader } from "../support/browsers/video_reader.ts";

const CEILING_KBPS = HUNGRY["video.bitrate_kbps"];
/** A third of what the stream takes with its sound and its headers. */
const NARROW_KBPS = 430;
/** A stream that stops is never late: so much of a narrow path is used at least. */
const USE_MIN = 0.4;
const WATCH_S = 8;

/** Firefox has loopback addresses for pages only that may use the microphone, and even then only if told so. */
const preferences = {
  "media.peerconnection.ice.loopback": true,
  "permissions.default.microphone": 1,
};

for (const codec of ["h264", "vp8"] as const) {
  browserTest(
    `congestion: ${codec} to Chromium follows a path that becomes narrow, and wide again`,
    async (browser, _, machine) => {
      await using site = await open({ codec });
      await using page = await BrowserPage.open(browser, site.server.origin);
      await machine.judge(() => expectToFollow(site, page.video));
      assert.equal((await onlyViewer(site.server)).codec, codec);
      assert.deepEqual(troubles(page), []);
      // A renderer that stalls on a busy machine is among them.
      await machine.judge(() => assert.deepEqual(site.server.complaints, []));
    },
  );
}

firefoxTest(
  "congestion: the stream to Firefox follows a path that becomes narrow, and wide again",
  async (browser, _, machine) => {
    await using site = await open();
    const page = await browser.newPage();
    await page.evaluateOnNewDocument(VIDEO_READER_SCRIPT);
    await page.goto(site.server.origin);
    await machine.judge(() => expectToFollow(site, new VideoReader(page)));
    // A renderer that stalls on a busy machine is among them.
    await machine.judge(() => assert.deepEqual(site.server.complaints, []));
  },
  { preferences },
);

browserTest(
  "congestion: two viewers of a session see on when the path of one becomes narrow",
  async (browser, _, machine) => {
    await using site = await open({ ports: 2 });
    const { server } = site;
    const url = `${server.origin}/?session=shared`;
    await using first = await BrowserPage.open(browser, url);
    await first.read(1);
    await using second = await BrowserPage.open(browser, url);
    await second.read(1);
    const { port = 0 } = (await second.video.inbound()).remote ?? {};
    const reportOf = async (): Promise<ViewerReport> => {
      const viewers = (await server.sessions()).flatMap(({ viewers }) => viewers);
      const viewer = viewers.find((viewer) => viewer.port === port);
      assert.ok(viewer, `Nobody watches on port ${port}`);
      return viewer;
    };

    site.relay(port).limit(NARROW_KBPS);
    await machine.judge(async () => {
      await untilRate(reportOf, { what: "below the limit", test: (kbps) => kbps < NARROW_KBPS });
      const seen = await Promise.all([first, second].map((page) => watchFor(page.video, WATCH_S)));
      for (const frames of seen) expectTimely(frames);
    });
    assert.deepEqual([...troubles(first), ...troubles(second)], []);
    // A renderer that stalls on a busy machine is among them.
    await machine.judge(() => assert.deepEqual(server.complaints, []));
  },
);

async function open(
  { codec = "auto", ports = 1 }: { codec?: string; ports?: number } = {},
): Promise<SlowSite> {
  const library = await compileReference();
  const config = { ...HUNGRY, "video.codec": codec, "renderer.library": library };
  return await SlowSite.open({ config, ports });
}

/** Narrows the only viewer's path to a third, looks at the pictures, and lets the path be wide again. */
async function expectToFollow(
  { server, relays: [relay] }: SlowSite,
  video: VideoReader,
): Promise<void> {
  assert.ok(relay);
  const report = () => onlyViewer(server);
  await video.read(1);
  await untilRate(report, { what: "near the ceiling", test: (kbps) => kbps > 0.9 * CEILING_KBPS });

  relay.limit(NARROW_KBPS);
  await untilRate(report, { what: "below the limit", test: (kbps) => kbps < NARROW_KBPS });
  const before = { bytes: relay.bytesDelivered, atMs: performance.now() };
  expectTimely(await watchFor(video, WATCH_S));
  const kbps = 8 * (relay.bytesDelivered - before.bytes) / (performance.now() - before.atMs);
  assert.ok(kbps > USE_MIN * NARROW_KBPS, `Only ${kbps} of ${NARROW_KBPS} kbit/s are used`);
  const { target_kbps } = await report();
  // It may feel its way beyond the limit, but does not forget it.
  assert.ok(target_kbps < 2 * NARROW_KBPS, `Aims at ${target_kbps} of ${NARROW_KBPS} kbit/s`);

  relay.widen();
  await untilRate(report, { what: "far above", test: (kbps) => kbps > 2 * NARROW_KBPS });
  expectTimely(await watchFor(video, 1));
}

/** What went wrong in a page, and the offers that it needed after its first. */
function troubles({ errors, sent }: BrowserPage): unknown[] {
  return [...errors, ...sent.filter(({ type }) => type === "offer").slice(1)];
}
