/// <reference lib="dom" />
import assert from "assert";
import type { Browser, Page } from "playwright-core";
import { browserTest } from "../support/browsers/browser.ts";
import { FakeSignalling, type Reply } from "../support/browsers/fake_signalling.ts";
import {
  type AnswerOptions,
  FakeStreamer,
  STREAMER_ARGS,
} from "../support/browsers/fake_streamer.ts";

// A host name that is not localhost makes the page an insecure one, as over plain http in the field.
const args = [...STREAMER_ARGS, "--host-resolver-rules=MAP viewer.test 127.0.0.1"];

browserTest(
  "viewer page: plays on an insecure origin and tells about it",
  async (browser) => {
    await using fake = new FakeSignalling();
    fake.script.push(answering(await FakeStreamer.open(browser)));
    const { page, complaints } = await openPage(browser, fake, "/?session=ada_1&token=t0");
    assert.ok(!await page.evaluate(() => isSecureContext));
    await textOf(page, "#status", /^Playing$/);
    assert.equal(fake.received[0]?.path, "/ws/ada_1?token=t0");
    assert.equal(await page.inputValue("#session"), "ada_1");
    await textOf(page, '[data-figure="fps"]', /^[1-9]\d* ?fps$/);
    await textOf(page, '[data-figure="bitrateKbps"]', /^[1-9]\d* ?kbit\/s$/);
    await textOf(page, '[data-figure="timeToFirstFrameMs"]', /^[\d,]+ ?ms$/);
    await textOf(page, '[data-figure="picture"]', /^640×360/);
    await textOf(page, '[data-address="selected"]', /:\d+ udp$/);
    const steps = await page.locator("#layers li").evaluateAll((items: Element[]) =>
      items.map((item) => item.getAttribute("data-status"))
    );
    assert.deepEqual(steps, ["done", "done", "done", "done", "done"]);

    await page.click("summary");
    assert.match(await page.inputValue("#sdp"), /^v=0\n[^]*a=candidate:/);
    await page.click("#copy");
    await textOf(page, "#copied", /^Copied$/);
    assert.deepEqual(complaints, []);
  },
  { args },
);

browserTest(
  "viewer page: names the address that has no UDP path and says what to try",
  async (browser) => {
    await using fake = new FakeSignalling();
    const streamer = await FakeStreamer.open(browser);
    fake.script.push(answering(streamer, { unreachableAt: "127.0.0.1:9" }));
    const { page } = await openPage(browser, fake, "/", { frozenClock: true });
    await textOf(page, "#status", /^Looking for the UDP path$/);
    await page.clock.runFor(10_000);
    await textOf(page, "#notice-title", /^No UDP path to 127\.0\.0\.1:9$/);
    await textOf(page, "#notice-tries", /Open UDP port 9 in the firewall[^]*127\.0\.0\.1/);
    await textOf(page, '[data-layer="path"]', /at fault$/);
    await textOf(page, "#countdown", /^Trying again in 1 s$/);
    await page.click("#retry");
    await fake.nth("offer", 2);
  },
  { args },
);

browserTest(
  "viewer page: shows a refusal in the server's words",
  async (browser) => {
    await using fake = new FakeSignalling();
    const message = "This session needs a valid access token <b>";
    fake.script.push(() => Promise.resolve([{ type: "error", code: "unauthorized", message }]));
    const { page } = await openPage(browser, fake, "/");
    await textOf(page, "#status", /^Failed$/);
    assert.equal(await page.textContent("#notice-text"), message);
    await textOf(page, "#power", /^Start$/);
    await page.click("#power");
    await fake.nth("offer", 2);
  },
  { args },
);

browserTest(
  "viewer page: stops and starts by its button, and keeps to valid session ids",
  async (browser) => {
    await using fake = new FakeSignalling();
    fake.script.push(answering(await FakeStreamer.open(browser)));
    const { page } = await openPage(browser, fake, "/");
    await textOf(page, "#status", /^Playing$/);
    await page.click("#power");
    await fake.nth("bye", 1);
    await textOf(page, "#status", /^Stopped$/);
    await textOf(page, '[data-figure="packetsLost"]', /^–$/);
    await page.click("#power");
    await textOf(page, "#status", /^Playing$/);

    await page.fill("#session", "no good");
    await page.click("form button");
    assert.equal(await page.locator("#session:invalid").count(), 1);
    await page.fill("#session", "other");
    await page.click("form button");
    await page.waitForURL("**/?session=other");
    await page.goto(`${pageOrigin(fake)}/?session=a%20b`);
    await textOf(page, "#notice-text", /not "a b"$/);
  },
  { args },
);

browserTest(
  "viewer page: its plot reads out what is pointed at, and a summary otherwise",
  async (browser) => {
    await using fake = new FakeSignalling();
    fake.script.push(answering(await FakeStreamer.open(browser)));
    const { page } = await openPage(browser, fake, "/");
    await textOf(
      page,
      "#plot-words",
      /^Frame rate .*\d fps, Bitrate .*\d kbit\/s, Round trip .*\d ms$/,
    );
    await page.locator("#plot").focus();
    await page.keyboard.press("ArrowLeft");
    await textOf(page, "#plot-words", /^(Now|\d+ s ago): Frame rate \d+ fps, Bitrate/);
    await page.locator("#plot").blur();
    await textOf(page, "#plot-words", /^Frame rate/);
    await page.locator("#plot").hover();
    await textOf(page, "#plot-words", /^\d+ s ago: Frame rate/);
  },
  { args },
);

browserTest(
  "viewer page: ?view=plain is the video alone, with one button for the sound",
  async (browser) => {
    await using fake = new FakeSignalling();
    const streamer = await FakeStreamer.open(browser);
    fake.script.push(answering(streamer, { sound: true }));
    const { page } = await openPage(browser, fake, "/?view=plain");
    await page.locator("#plain-sound").filter({ hasText: /^Turn sound on$/ }).waitFor();
    const seen = await page.locator("body :is(button, input, h1, h2, canvas, video)").evaluateAll(
      (elements: Element[]) =>
        elements.filter((element) => element.checkVisibility()).map(({ tagName, id }) =>
          id || tagName
        ),
    );
    assert.deepEqual(seen, ["VIDEO", "plain-sound"]);
    const box = await page.locator("video").boundingBox();
    assert.deepEqual([box?.x, box?.y, box?.width], [0, 0, page.viewportSize()?.width]);
    await page.click("#plain-sound");
    await page.locator("#plain-sound").waitFor({ state: "hidden" });
    assert.ok(!await page.locator("video").evaluate((video: HTMLVideoElement) => video.muted));
  },
  { args },
);

browserTest(
  "viewer page: without WebRTC it says so, and calls nothing working that was not tried",
  async (browser) => {
    await using fake = new FakeSignalling();
    const page = await browser.newPage();
    await page.addInitScript(() => Reflect.deleteProperty(globalThis, "RTCPeerConnection"));
    await page.goto(`${pageOrigin(fake)}/`);
    await textOf(page, "#status", /^Failed$/);
    await textOf(page, "#notice-title", /has no WebRTC$/);
    const layers = await page.locator("#layers li").evaluateAll((items: Element[]) =>
      items.map((item) => item.getAttribute("data-status"))
    );
    assert.deepEqual(layers, ["pending", "pending", "fault", "pending", "pending"]);
    assert.deepEqual(fake.received, []);
  },
  { args },
);

function answering(streamer: FakeStreamer, options: AnswerOptions = {}): Reply {
  return async ({ sdp }) => {
    const answer = await streamer.answer(String(sdp), options);
    return [{ type: "answer", sdp: answer, viewer: "viewer" }];
  };
}

function pageOrigin(fake: FakeSignalling): string {
  return fake.origin.replace("127.0.0.1", "viewer.test");
}

async function openPage(
  browser: Browser,
  fake: FakeSignalling,
  path: string,
  { frozenClock = false } = {},
): Promise<{ page: Page; complaints: string[] }> {
  const page = await browser.newPage();
  const complaints: string[] = [];
  page.on("console", (message) => complaints.push(message.text()));
  page.on("pageerror", (error) => complaints.push(error.message));
  if (frozenClock) await page.clock.install();
  await page.goto(pageOrigin(fake) + path);
  if (frozenClock) await page.clock.pauseAt(Date.now() + 60_000);
  return { page, complaints };
}

/** Waits until the visible text of an element is as wanted. */
async function textOf(page: Page, selector: string, wanted: RegExp): Promise<void> {
  await page.locator(selector).filter({ hasText: wanted }).waitFor();
}
