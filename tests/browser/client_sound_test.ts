/// <reference lib="dom" />
import assert from "assert";
import type { Page } from "playwright-core";
import { browserTest } from "../support/browsers/browser.ts";
import { ClientPage } from "../support/browsers/client_page.ts";
import { FakeSignalling } from "../support/browsers/fake_signalling.ts";
import { FakeStreamer, STREAMER_ARGS } from "../support/browsers/fake_streamer.ts";

const args = STREAMER_ARGS;

soundTest("a click turns the sound on, and it stays on over stop and start", async (client) => {
  const { page, player } = client;
  assert.ok(await isMuted(page));
  await page.locator("html").click();
  assert.ok(!await isMuted(page));
  await player.evaluate((player) => player.stop());
  await player.evaluate((player) => player.start());
  await client.until("state", ({ state }) => state === "playing");
  assert.ok(!await isMuted(page));
  assert.ok(!await page.locator("video").evaluate((video: HTMLVideoElement) => video.paused));
});

soundTest("the first click after stop and start turns it on as well", async (client) => {
  const { page, player } = client;
  await player.evaluate((player) => player.stop());
  await player.evaluate((player) => player.start());
  await client.until("state", ({ state }) => state === "playing");
  assert.ok(await isMuted(page));
  await page.locator("html").click();
  assert.ok(!await isMuted(page));
});

soundTest("keys that are not meant for the stream leave it off", async ({ page }) => {
  await page.evaluate(() => document.body.append(document.createElement("input")));
  for (const key of ["Tab", "Shift", "Escape", "ArrowDown", "Control+c", "Alt+x"]) {
    await page.keyboard.press(key);
    assert.ok(await isMuted(page), key);
  }
  await page.locator("input").focus();
  await page.keyboard.type("a name");
  assert.ok(await isMuted(page), "typing into a field");
  await page.evaluate(() => document.querySelector("input")?.remove());
  await page.keyboard.press("w");
  assert.ok(!await isMuted(page));
});

soundTest("sound that the page turned off stays off at the next click", async ({ page }) => {
  await setMuted(page, "sound on");
  await setMuted(page, "sound off");
  await page.locator("html").click();
  assert.ok(await isMuted(page));
});

soundTest("a browser that refuses to play with sound plays without it", async (client) => {
  const { page, player } = client;
  await page.locator("html").click();
  assert.ok(!await isMuted(page));
  await player.evaluate((player) => player.stop());
  await page.evaluate(refuseSound);
  await player.evaluate((player) => player.start());
  await client.until("state", ({ state }) => state === "playing");
  assert.ok(await isMuted(page));
  assert.ok(!await page.locator("video").evaluate((video: HTMLVideoElement) => video.paused));
});

browserTest(
  "PinholePlayer: tells each state once, and each view once",
  async (browser) => {
    await using fake = new FakeSignalling();
    fake.script.push(answering(await FakeStreamer.open(browser)));
    const client = await ClientPage.open(browser, fake.origin);
    await client.until("stats");
    await client.until("stats");
    await client.player.evaluate((player) => (player.stop(), player.stop()));
    await client.until("state", ({ state }) => state === "stopped");
    const states = client.all("state").map(({ state }) => state);
    assert.deepEqual(states, ["connecting", "connected", "playing", "stopped"]);
    const views = client.all("view").map((view) => JSON.stringify(view));
    assert.deepEqual(views.filter((view, index) => view === views[index - 1]), []);
  },
  { args },
);

/** A test of a player whose stream has sound, and plays. */
function soundTest(name: string, body: (client: ClientPage) => Promise<void>): void {
  browserTest(`PinholePlayer: ${name}`, async (browser) => {
    await using fake = new FakeSignalling();
    fake.script.push(answering(await FakeStreamer.open(browser)));
    const client = await ClientPage.open(browser, fake.origin);
    await client.until("track", (kind) => String(kind) === "audio");
    await client.until("state", ({ state }) => state === "playing");
    await body(client);
  }, { args });
}

function answering(streamer: FakeStreamer): FakeSignalling["script"][number] {
  return async ({ sdp }) => {
    const answer = await streamer.answer(String(sdp), { sound: true });
    return [{ type: "answer", sdp: answer, viewer: "viewer" }];
  };
}

function isMuted(page: Page): Promise<boolean> {
  return page.locator("video").evaluate((video: HTMLVideoElement) => video.muted);
}

/** As the page's own button does, or the person by the element's controls. */
async function setMuted(page: Page, to: "sound on" | "sound off"): Promise<void> {
  await page.locator("video").evaluate(async (video: HTMLVideoElement, to) => {
    const changed = new Promise((resolve) => {
      video.addEventListener("volumechange", resolve, { once: true });
    });
    video.muted = to === "sound off";
    await changed;
  }, to);
}

/** Browsers refuse so when the page was not used for some time. */
function refuseSound(): void {
  const { play } = HTMLMediaElement.prototype;
  HTMLMediaElement.prototype.play = function () {
    if (this.muted) return play.call(this);
    return Promise.reject(new DOMException("Refused", "NotAllowedError"));
  };
}
