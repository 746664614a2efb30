import assert from "assert";
import { browserTest } from "../support/browsers/browser.ts";
import { ClientPage } from "../support/browsers/client_page.ts";
import { FakeSignalling, type Reply } from "../support/browsers/fake_signalling.ts";
import { FakeStreamer, STREAMER_ARGS } from "../support/browsers/fake_streamer.ts";

const args = STREAMER_ARGS;

browserTest(
  "PinholePlayer: takes a broken WebSocket up by resume while the picture goes on",
  async (browser) => {
    await using fake = new FakeSignalling();
    fake.script.push(answering(await FakeStreamer.open(browser)));
    const client = await ClientPage.open(browser, fake.origin);
    await client.until("view", ({ state }) => state === "playing");
    const peer = await client.player.evaluateHandle((player) => player.peerConnection);

    fake.relay.cut();

    const lost = await client.until("error");
    assert.equal(lost.code, "signalling_lost");
    assert.equal(lost.layer, "signalling");
    const { viewer } = await fake.nth("resume", 1);
    assert.equal(viewer, "viewer-1");
    const resumed = await client.until("view", ({ problem }) => problem === null);
    assert.equal(resumed.state, "playing");
    assert.equal(resumed.signalling, "open");
    assert.equal(fake.ofType("offer").length, 1);
    const same = await client.player.evaluate(
      (player, peer) => player.peerConnection === peer,
      peer,
    );
    assert.ok(same, "the media connection was replaced");
    const { framesDecoded } = await client.until("stats");
    await client.until("stats", (stats) => stats.framesDecoded > framesDecoded);
  },
  { args },
);

browserTest(
  "PinholePlayer: offers afresh when the server has forgotten the viewer",
  async (browser) => {
    await using fake = new FakeSignalling();
    const answer = answering(await FakeStreamer.open(browser));
    fake.script.push(answer, refusing("no_such_viewer"), answer);
    const client = await ClientPage.open(browser, fake.origin);
    await client.until("view", ({ state }) => state === "playing");

    fake.relay.cut();

    const { state } = await client.until("view", ({ state }) => state !== "playing");
    assert.equal(state, "connecting", "there is nothing to wait for");
    const { problem } = await client.until("view", ({ state }) => state === "playing");
    assert.equal(problem, null);
  },
  { args },
);

browserTest("PinholePlayer: waits longer after each failure, up to 4 s", async (browser) => {
  await using fake = new FakeSignalling();
  fake.script.push(refusing("internal"));
  const client = await ClientPage.open(browser, fake.origin, { frozenClock: true });
  for (const mostMs of [250, 500, 1000, 2000, 4000, 4000]) {
    const { problem } = await client.until("view", ({ state }) => state === "waiting");
    const waitMs = problem?.retryInMs ?? 0;
    assert.ok(waitMs >= mostMs / 2 && waitMs <= mostMs, `${waitMs} of ${mostMs} ms`);
    await client.pass(waitMs);
  }
  assert.equal((await fake.nth("offer", 7)).type, "offer");
});

browserTest("PinholePlayer: says when no WebSocket can be opened", async (browser) => {
  await using fake = new FakeSignalling();
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { port } = listener.addr;
  listener.close();
  const url = `ws://127.0.0.1:${port}/ws/demo`;
  const client = await ClientPage.open(browser, fake.origin, { player: { url } });
  const problem = await client.until("error");
  assert.equal(problem.code, "signalling_unreachable");
  assert.match(problem.message, new RegExp(`127\\.0\\.0\\.1:${port}`));
});

browserTest(
  "PinholePlayer: waits as long as a refusal says",
  async (browser) => {
    await using fake = new FakeSignalling();
    const answer = answering(await FakeStreamer.open(browser));
    fake.script.push(refusing("no_free_port", { retry_after_ms: 60_000 }), answer);
    const client = await ClientPage.open(browser, fake.origin, { frozenClock: true });
    const { problem } = await client.until("view", ({ state }) => state === "waiting");
    assert.equal(problem?.code, "no_free_port");
    assert.equal(problem?.retryInMs, 60_000);

    await client.pass(59_999);
    assert.equal(await client.player.evaluate((player) => player.state), "waiting");
    assert.equal(fake.ofType("offer").length, 1);
    await client.pass(1);
    await client.until("view", ({ state }) => state === "playing");
    assert.equal(fake.ofType("offer").length, 2);
  },
  { args },
);

browserTest("PinholePlayer: stops at a refusal that would repeat", async (browser) => {
  await using fake = new FakeSignalling();
  fake.script.push(refusing("unauthorized"));
  const client = await ClientPage.open(browser, fake.origin, {
    frozenClock: true,
    player: { token: "a+b/c=" },
  });
  const { problem } = await client.until("view", ({ state }) => state === "failed");
  assert.equal(problem?.code, "unauthorized");
  assert.equal(problem?.message, "Refused with unauthorized");
  assert.equal(problem?.retryInMs, undefined);
  await client.pass(600_000);
  assert.equal(await client.player.evaluate((player) => player.state), "failed");
  assert.equal(fake.received[0]?.path, "/ws/demo?token=a%2Bb%2Fc%3D");

  // It is refused again, which its promise says too.
  await client.player.evaluate((player) => void player.start().catch(() => {}));
  await fake.nth("offer", 2);
});

browserTest(
  "PinholePlayer: keeps a picture that still comes when a resume is refused for good",
  async (browser) => {
    await using fake = new FakeSignalling();
    fake.script.push(answering(await FakeStreamer.open(browser)), refusing("unauthorized"));
    const client = await ClientPage.open(browser, fake.origin);
    await client.until("view", ({ state }) => state === "playing");
    fake.relay.cut();
    const view = await client.until("view", ({ problem }) => problem?.code === "unauthorized");
    assert.equal(view.state, "playing");
    assert.equal(view.signalling, "closed");
  },
  { args },
);

browserTest(
  "PinholePlayer: says goodbye when stopped and when its page goes away",
  async (browser) => {
    await using fake = new FakeSignalling();
    fake.script.push(answering(await FakeStreamer.open(browser)));
    const client = await ClientPage.open(browser, fake.origin);
    await client.until("view", ({ state }) => state === "playing");
    await client.player.evaluate((player) => player.stop());
    await fake.nth("bye", 1);
    await client.until("view", ({ state }) => state === "stopped");

    await client.player.evaluate((player) => void player.start().catch(() => {}));
    await client.until("view", ({ state }) => state === "playing");
    await client.page.goto("about:blank");
    await fake.nth("bye", 2);
  },
  { args },
);

browserTest(
  "PinholePlayer: carries messages, parameters and the idle name",
  async (browser) => {
    await using fake = new FakeSignalling();
    fake.script.push(answering(await FakeStreamer.open(browser)));
    const client = await ClientPage.open(browser, fake.origin, {
      player: { idle: "ada", params: { voice: 3 } },
    });
    const offer = await fake.nth("offer", 1);
    assert.equal(offer.idle, "ada");
    assert.deepEqual(offer.params, { voice: 3 });
    assert.match(String(offer.sdp), /^m=video [^]*^a=recvonly[^]*^m=audio [^]*^a=recvonly/m);
    await client.until("view", ({ state }) => state === "playing");

    assert.ok(await client.player.evaluate((player) => player.send("hello")));
    assert.equal(await client.until("message"), "hello", "over the data channel and back");
    fake.broadcast({ type: "message", data: "hello yourself" });
    await client.until("message", (data) => data === "hello yourself");
    await client.player.evaluate((player) => player.stop());
    assert.ok(!await client.player.evaluate((player) => player.send("late")));
  },
  { args },
);

function answering(streamer: FakeStreamer): Reply {
  let viewers = 0;
  return async ({ type, sdp }) => {
    if (type === "resume") return [{ type: "resumed" }];
    const answer = await streamer.answer(String(sdp));
    return [{ type: "answer", sdp: answer, viewer: `viewer-${++viewers}` }];
  };
}

function refusing(code: string, more: { retry_after_ms?: number } = {}): Reply {
  return () => Promise.resolve([{ type: "error", code, message: `Refused with ${code}`, ...more }]);
}
