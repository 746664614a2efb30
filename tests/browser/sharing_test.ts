import assert from "assert";
import { browserTest } from "../support/browsers/browser.ts";
import { assertSteady, BrowserPage } from "../support/browsers/browser_page.ts";
import { eventually } from "../support/deadline.ts";
import { ServerProcess } from "../support/servers/server_process.ts";
import type { SeenFrame } from "../support/browsers/video_reader.ts";

/** One rate, so that no viewer on a busy machine gets an encoder for a slower path. */
const SMALL = {
  "video.width": 640,
  "video.height": 360,
  "video.bitrate_kbps": 1500,
  "video.min_bitrate_kbps": 1500,
} as const;
const GAP_MAX = 15;

browserTest("session: its viewers share one renderer and one encode", async (browser) => {
  await using server = await ServerProcess.start({ config: SMALL });
  await using first = await BrowserPage.open(browser, `${server.origin}/?session=shared`);
  await first.read(1);
  await using second = await BrowserPage.open(browser, `${server.origin}/?session=shared`);
  await second.read(1);

  const before = await counts(server);
  const [seenFirst, seenSecond] = await Promise.all([first.read(45), second.read(45)]);
  const after = await counts(server);
  assertSteady(seenFirst, { gapMax: GAP_MAX });
  assertSteady(seenSecond, { gapMax: GAP_MAX });
  assert.ok(seenInBoth(seenFirst, seenSecond) > 0, "The viewers have no frame in common");
  const encoded = after.encoded - before.encoded;
  const rendered = after.rendered - before.rendered;
  // A picture may be encoded anew, for a viewer that asks for a keyframe; with an encoder for each it would be twice.
  assert.ok(encoded < 1.5 * rendered, `${encoded} encoded of ${rendered} rendered`);
  assert.equal(encodersOpened(server, "shared"), 1);

  await using other = await BrowserPage.open(browser, `${server.origin}/?session=other`);
  const [seenShared, seenOther] = await Promise.all([first.read(15), other.read(15)]);
  assertSteady(seenOther, { gapMax: GAP_MAX });
  assert.equal(seenInBoth(seenShared, seenOther), 0, "Two sessions show the same frames");
  assert.equal(encodersOpened(server, "shared"), 1);
  assert.equal(encodersOpened(server, "other"), 1);
  assert.equal(await server.metric("sessions"), 2);
  assert.deepEqual(server.complaints, []);
});

browserTest(
  "peers_per_port: viewers share a port, and wait for a place when it is full",
  async (browser) => {
    await using server = await ServerProcess.start({
      ports: 1,
      config: { ...SMALL, "webrtc.peers_per_port": 2 },
    });
    await using first = await BrowserPage.open(browser, `${server.origin}/?session=a`);
    await using second = await BrowserPage.open(browser, `${server.origin}/?session=b`);
    const [seenFirst, seenSecond] = await Promise.all([first.read(15), second.read(15)]);
    assertSteady(seenFirst, { gapMax: GAP_MAX });
    assertSteady(seenSecond, { gapMax: GAP_MAX });
    assert.equal(seenInBoth(seenFirst, seenSecond), 0, "A viewer sees the other one's frames");
    const announced = { address: "127.0.0.1", port: server.portMin };
    assert.deepEqual((await first.video.inbound()).remote, announced);
    assert.deepEqual((await second.video.inbound()).remote, announced);

    await using third = await BrowserPage.open(browser, `${server.origin}/?session=c`);
    const refusal = await third.told("the third viewer's refusal", ({ type }) => type === "error");
    assert.equal(refusal.code, "no_free_port");
    assert.ok(Number(refusal.retry_after_ms) > 0, "No retry_after_ms");

    await first.page.goto("about:blank");
    assertSteady(await third.read(15), { gapMax: GAP_MAX });
    assert.deepEqual((await third.video.inbound()).remote, announced);
    assertSteady(await second.read(5), { gapMax: GAP_MAX });
    await eventually(async () => await server.metric("sessions") === 2, {
      what: "for the session that nobody watches to close",
    });
    assert.deepEqual(server.complaints, []);
  },
);

async function counts(server: ServerProcess): Promise<{ encoded: number; rendered: number }> {
  const encoded = await server.metric("frames_sent_total");
  return { encoded, rendered: await server.metric("render_seconds_count") };
}

function encodersOpened(server: ServerProcess, session: string): number {
  return server.log.filter((line) => line.event === "encoder_opened" && line.session === session)
    .length;
}

/** How many frames of the one are frames of the other: same number, drawn at the same time. */
function seenInBoth(frames: readonly SeenFrame[], others: readonly SeenFrame[]): number {
  const key = ({ frameNumber, drawnAtMs }: SeenFrame) => `${frameNumber} ${drawnAtMs}`;
  const known = new Set(others.map(key));
  return frames.filter((frame) => known.has(key(frame))).length;
}
