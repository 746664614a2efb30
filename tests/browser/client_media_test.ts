import assert from "assert";
import { browserTest } from "../support/browsers/browser.ts";
import { ClientPage } from "../support/browsers/client_page.ts";
import { FakeSignalling, type Reply } from "../support/browsers/fake_signalling.ts";
import {
  type AnswerOptions,
  FakeStreamer,
  STREAMER_ARGS,
} from "../support/browsers/fake_streamer.ts";

const args = STREAMER_ARGS;

browserTest(
  "PinholePlayer: samples its figures",
  async (browser) => {
    await using fake = new FakeSignalling();
    fake.script.push(answering(await FakeStreamer.open(browser)));
    const client = await ClientPage.open(browser, fake.origin);
    const stats = await client.until("stats", ({ fps }) => fps !== null && fps > 0);
    assert.deepEqual([stats.width, stats.height], [640, 360]);
    assert.ok(stats.codec);
    assert.ok((stats.bitrateKbps ?? 0) > 0);
    assert.ok(stats.framesDecoded > 0 && stats.packetsReceived > 0);
    assert.ok((stats.timeToFirstFrameMs ?? 0) > 0);
    assert.notEqual(stats.roundTripMs, null);
    assert.notEqual(stats.jitterMs, null);
    const { candidate, announced, answer } = await client.player.evaluate((player) => ({
      candidate: player.selectedCandidate,
      announced: player.announcedAddress,
      answer: player.answerSdp,
    }));
    assert.equal(candidate?.protocol, "udp");
    assert.ok(answer?.includes(` ${candidate?.address} ${candidate?.port} typ host`));
    assert.match(announced ?? "", /:\d+$/);
  },
  { args },
);

browserTest(
  "PinholePlayer: offers afresh when the server says that the viewer has failed",
  async (browser) => {
    await using fake = new FakeSignalling();
    fake.script.push(answering(await FakeStreamer.open(browser)));
    const client = await ClientPage.open(browser, fake.origin);
    await client.until("view", ({ state }) => state === "playing");
    fake.broadcast({ type: "state", state: "failed" });
    await fake.nth("bye", 1);
    await client.until("view", ({ state }) => state === "waiting");
    await client.until("view", ({ state }) => state === "playing");
    assert.equal(fake.ofType("offer").length, 2);
  },
  { args },
);

browserTest(
  "PinholePlayer: names the address that has no UDP path, and offers afresh",
  async (browser) => {
    await using fake = new FakeSignalling();
    const streamer = await FakeStreamer.open(browser);
    fake.script.push(answering(streamer, { unreachableAt: "127.0.0.1:9" }), answering(streamer));
    const client = await ClientPage.open(browser, fake.origin, { frozenClock: true });
    await client.until("view", ({ layer }) => layer === "path");
    await client.pass(10_000);
    const { problem } = await client.until("view", ({ state }) => state === "waiting");
    assert.equal(problem?.code, "no_udp_path");
    assert.equal(problem?.layer, "path");
    assert.match(problem?.message ?? "", /127\.0\.0\.1:9\b/);
    await fake.nth("bye", 1);

    await client.pass(problem?.retryInMs ?? 0);
    const playing = await client.until("view", ({ state }) => state === "playing");
    assert.equal(playing.problem, null);
    assert.equal(playing.layer, null);
  },
  { args },
);

browserTest(
  "PinholePlayer: a picture that comes before the news of its connection clears the old problem",
  async (browser) => {
    await using fake = new FakeSignalling();
    const streamer = await FakeStreamer.open(browser);
    fake.script.push(answering(streamer, { unreachableAt: "127.0.0.1:9" }), answering(streamer));
    const client = await ClientPage.open(browser, fake.origin, { before: lateConnectionNews });
    await client.until("view", ({ layer }) => layer === "path");
    fake.broadcast({ type: "state", state: "failed" });
    await client.until("view", ({ problem }) => problem?.code === "no_udp_path");
    const playing = await client.until("view", ({ state }) => state === "playing");
    assert.equal(playing.problem, null);
  },
  { args },
);

browserTest(
  "PinholePlayer: says when a connection brings no video",
  async (browser) => {
    await using fake = new FakeSignalling();
    fake.script.push(answering(await FakeStreamer.open(browser), { still: true }));
    const client = await ClientPage.open(browser, fake.origin, { frozenClock: true });
    await client.until("view", ({ state }) => state === "connected");
    let told = false;
    const problem = client.until("error").finally(() => told = true);
    while (!told) await client.pass(1000);
    assert.equal((await problem).code, "no_packets");
    assert.equal(await client.player.evaluate((player) => player.state), "connected");
  },
  { args },
);

browserTest(
  "PinholePlayer: stops at an answer that the browser cannot use",
  async (browser) => {
    await using fake = new FakeSignalling();
    fake.script.push(() =>
      Promise.resolve([{ type: "answer", sdp: "v=0\r\nnonsense", viewer: "v" }])
    );
    const client = await ClientPage.open(browser, fake.origin);
    const { problem } = await client.until("view", ({ state }) => state === "failed");
    assert.equal(problem?.code, "bad_answer");
  },
);

browserTest(
  "PinholePlayer: plays at a click after autoplay was refused",
  async (browser) => {
    await using fake = new FakeSignalling();
    fake.script.push(answering(await FakeStreamer.open(browser)));
    const client = await ClientPage.open(browser, fake.origin, { before: refuseAutoplay });
    await client.until("autoplayblocked");
    // Its former name, which pages may still listen to.
    await client.until("autoplay-blocked");
    const blocked = await client.until("view", ({ autoplayBlocked }) => autoplayBlocked);
    assert.equal(blocked.problem, null);
    const video = client.page.locator("video");
    assert.ok(await video.evaluate((video: HTMLVideoElement) => video.paused));

    await client.page.locator("html").click();

    await client.until("view", ({ autoplayBlocked }) => !autoplayBlocked);
    assert.ok(!await video.evaluate((video: HTMLVideoElement) => video.paused));
  },
  { args },
);

/** A busy Chromium can tell of a connection after its first frame; this one always does. */
function lateConnectionNews(): void {
  Object.defineProperty(RTCPeerConnection.prototype, "onconnectionstatechange", {
    set(this: RTCPeerConnection, listener: (event: Event) => void) {
      this.addEventListener("connectionstatechange", (event) => {
        setTimeout(() => listener.call(this, event), 1000);
      });
    },
  });
}

/** Chromium always lets muted video play; Safari in low-power mode and Firefox, if told so, refuse like this. */
function refuseAutoplay(): void {
  const { play } = HTMLMediaElement.prototype;
  let clicked = false;
  addEventListener("click", ({ isTrusted }) => clicked ||= isTrusted, { capture: true });
  HTMLMediaElement.prototype.play = function () {
    if (clicked) return play.call(this);
    return Promise.reject(new DOMException("Refused", "NotAllowedError"));
  };
}

function answering(streamer: FakeStreamer, options: AnswerOptions = {}): Reply {
  return async ({ sdp }) => {
    const answer = await streamer.answer(String(sdp), options);
    return [{ type: "answer", sdp: answer, viewer: "viewer" }];
  };
}
