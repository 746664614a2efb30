/// <reference lib="dom" />
import assert from "assert";
import type { Page } from "puppeteer-core";
import { firefoxTest, openChromium } from "../support/browsers/browser.ts";
import { FakeSignalling } from "../support/browsers/fake_signalling.ts";
import { FakeStreamer, STREAMER_ARGS } from "../support/browsers/fake_streamer.ts";

/** Firefox's own setting "Block audio and video". */
const preferences = { "media.autoplay.default": 5 };

firefoxTest(
  "viewer page: plays in Firefox at a click, where autoplay is refused",
  async (firefox) => {
    await using chromium = await openChromium({ args: STREAMER_ARGS });
    await using fake = new FakeSignalling();
    const streamer = await FakeStreamer.open(chromium);
    fake.script.push(async ({ sdp }) => {
      const answer = await streamer.answer(String(sdp));
      return [{ type: "answer", sdp: answer, viewer: "viewer" }];
    });
    const page = await firefox.newPage();
    const refused = new Promise<void>((resolve) => {
      page.on("console", (message) => message.text() === "Ready to play" && resolve());
    });
    await page.evaluateOnNewDocument(tellStatus);
    await page.goto(`${fake.origin}/`);
    await refused;
    assert.ok(await page.$eval("video", (video) => video.paused));

    await page.click("#play");

    await textOf(page, "#status", /^Playing$/);
    assert.ok(!await page.$eval("video", (video) => video.paused));
    await textOf(page, '[data-figure="fps"]', /^[1-9]/);
    await textOf(page, '[data-figure="roundTripMs"]', /^\d/);
    const address = await page.$eval('[data-address="selected"]', (place) => place.textContent);
    assert.match(address ?? "", /:\d+ udp$/);
  },
  { preferences },
);

/** Asking the page from outside, as below, counts as a gesture of its user and would let it play. */
function tellStatus(): void {
  let told: string | null | undefined;
  setInterval(() => {
    const status = document.querySelector("#status")?.textContent;
    // deno-lint-ignore no-console
    if (status !== told) console.log(told = status);
  }, 50);
}

/** Puppeteer's own waiting needs eval in the page, which the page's content policy forbids. */
async function textOf(page: Page, selector: string, wanted: RegExp): Promise<void> {
  while (!wanted.test(await page.$eval(selector, (place) => place.textContent) ?? "")) {
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}
