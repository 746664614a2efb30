/// <reference lib="dom" />
import assert from "assert";
import type { Browser, Page } from "playwright-core";
import type { PinholePlayerElement } from "../../src/viewer/pinhole_player.d.ts";
import { browserTest } from "../support/browsers/browser.ts";
import { eventually } from "../support/deadline.ts";
import { FakeSignalling, type Reply } from "../support/browsers/fake_signalling.ts";
import { FakeStreamer, STREAMER_ARGS } from "../support/browsers/fake_streamer.ts";

const args = STREAMER_ARGS;

browserTest(
  "<pinhole-player>: plays what its attributes say, and starts anew when they change",
  async (browser) => {
    await using fake = await openFake(browser);
    const { page, complaints } = await openPage(browser, fake);
    await page.evaluate(() => {
      // As frameworks do that set properties before the element is defined.
      const element = document.createElement("pinhole-player");
      Object.assign(element, { session: "one", token: "t0", idle: "card" });
      document.body.append(element);
    });
    await define(page);
    await playing(page);
    const offer = await fake.nth("offer", 1);
    assert.equal(offer.idle, "card");
    assert.deepEqual(paths(fake), ["/ws/one?token=t0"]);
    const html = await page.evaluate(() => document.querySelector("pinhole-player")?.outerHTML);
    assert.match(html ?? "", / session="one".* token="t0".* idle="card"/);

    await change(page, (element) => {
      element.session = "two";
      element.setAttribute("token", "t2");
    });
    await fake.nth("offer", 2);
    await playing(page);
    assert.equal(fake.ofType("bye").length, 1);
    assert.deepEqual(paths(fake), ["/ws/one?token=t0", "/ws/two?token=t2"]);
    assert.deepEqual(complaints, []);
  },
  { args },
);

browserTest(
  "<pinhole-player>: a new token is for the next try, and ends no stream",
  async (browser) => {
    await using fake = await openFake(browser);
    const { page } = await openPage(browser, fake);
    await define(page);
    await add(page, { session: "one", token: "old" });
    await playing(page);
    const goesOn = await page.evaluate(async () => {
      const element = document.querySelector("pinhole-player");
      const before = element?.player;
      if (element) element.token = "new";
      // Attributes are read in a microtask.
      await new Promise((resolve) => setTimeout(resolve));
      return element?.player === before && before?.state;
    });
    assert.equal(goesOn, "playing");
    fake.broadcast({ type: "state", state: "failed" });
    await fake.nth("offer", 2);
    assert.deepEqual(paths(fake), ["/ws/one?token=old", "/ws/one?token=new"]);
  },
  { args },
);

browserTest(
  "<pinhole-player>: goes on when it is moved, stops when it is taken out, and starts when it is back",
  async (browser) => {
    await using fake = await openFake(browser);
    const { page, complaints } = await openPage(browser, fake);
    await define(page);
    await add(page, { session: "one" });
    await playing(page);
    const state = await page.evaluate(async () => {
      const element = document.querySelector("pinhole-player");
      const section = document.createElement("section");
      document.body.append(section);
      if (element) section.append(element);
      await new Promise((resolve) => setTimeout(resolve));
      return element?.player?.state;
    });
    assert.equal(state, "playing");
    await playing(page);
    assert.equal(fake.ofType("bye").length, 0);

    await change(page, (element) => {
      Object.assign(globalThis, { taken: element });
      element.remove();
    });
    await fake.nth("bye", 1);
    await page.evaluate(() => document.body.append(Reflect.get(globalThis, "taken")));
    await playing(page);
    assert.equal(fake.ofType("offer").length, 2);
    assert.deepEqual(complaints, []);
  },
  { args },
);

browserTest(
  "<pinhole-player>: play() and stop(), and the events of its player",
  async (browser) => {
    await using fake = await openFake(browser);
    const { page, complaints } = await openPage(browser, fake);
    await define(page);
    await add(page, { session: "one" });
    await playing(page);
    const told = await page.evaluate(async () => {
      const element = document.querySelector("pinhole-player");
      if (!element) throw new Error("No element");
      const seen: string[] = [];
      const types = ["state", "view", "track", "stats", "message"] as const;
      for (const type of types) element.addEventListener(type, () => seen.push(type));
      element.stop();
      const stopped = element.player?.state;
      // Nothing but play() ends this.
      element.idle = "other";
      await new Promise((resolve) => setTimeout(resolve, 100));
      const stillStopped = element.player?.state;
      await element.play();
      const { player, video } = element;
      const lone = document.createElement("pinhole-player");
      const failure = await lone.play().catch((error: unknown) => error);
      return {
        stopped,
        stillStopped,
        playing: player?.state,
        same: video.srcObject instanceof MediaStream,
        seen: types.filter((type) => seen.includes(type)),
        failure: failure instanceof DOMException && failure.name,
      };
    });
    assert.deepEqual({ ...told, seen: told.seen.slice(0, 3) }, {
      stopped: "stopped",
      stillStopped: "stopped",
      playing: "playing",
      same: true,
      seen: ["state", "view", "track"],
      failure: "InvalidStateError",
    });
    assert.deepEqual(complaints, []);
  },
  { args },
);

browserTest(
  "<pinhole-player>: its attribute muted is the sound's, and a button of the page can have it",
  async (browser) => {
    await using fake = await openFake(browser);
    const { page, complaints } = await openPage(browser, fake);
    await define(page);
    await add(page, { session: "one", muted: "" });
    await playing(page);
    const isMuted = () =>
      page.evaluate(() => document.querySelector("pinhole-player")?.video.muted);
    await page.locator("html").click();
    assert.ok(await isMuted());
    await change(page, (element) => element.muted = false);
    await eventually(async () => await isMuted() === false, { what: "for the sound" });
    await change(page, (element) => element.setAttribute("muted", ""));
    assert.ok(await isMuted());

    await page.evaluate(() => {
      const button = document.createElement("button");
      const { video } = document.querySelector("pinhole-player") ?? {};
      const show = () => button.textContent = video?.muted ? "Turn sound on" : "Turn sound off";
      button.addEventListener("click", () => video && (video.muted = !video.muted));
      document.querySelector("pinhole-player")?.addEventListener("volumechange", show);
      document.body.append(button);
      show();
    });
    await page.getByRole("button", { name: "Turn sound on" }).click();
    await page.getByRole("button", { name: "Turn sound off" }).click();
    await page.getByRole("button", { name: "Turn sound on" }).waitFor();
    assert.deepEqual(complaints, []);
  },
  { args },
);

async function openFake(browser: Browser): Promise<FakeSignalling> {
  const fake = new FakeSignalling();
  fake.script.push(answering(await FakeStreamer.open(browser)));
  return fake;
}

function answering(streamer: FakeStreamer): Reply {
  return async ({ sdp }) => {
    const answer = await streamer.answer(String(sdp), { sound: true });
    return [{ type: "answer", sdp: answer, viewer: "viewer" }];
  };
}

function paths(fake: FakeSignalling): string[] {
  return [...new Set(fake.received.map(({ path }) => path))];
}

/** A page with the policy of the server's own, which allows nothing inline. */
async function openPage(
  browser: Browser,
  fake: FakeSignalling,
): Promise<{ page: Page; complaints: string[] }> {
  const page = await browser.newPage();
  const complaints: string[] = [];
  page.on("pageerror", (error) => complaints.push(error.message));
  page.on("console", (message) => {
    if (message.type() !== "log") complaints.push(`${message.text()} ${message.location().url}`);
  });
  await page.goto(`${fake.origin}/element`);
  return { page, complaints };
}

async function define(page: Page): Promise<void> {
  await page.evaluate((path) => import(path), "/pinhole_player.js");
}

async function add(page: Page, attributes: Readonly<Record<string, string>>): Promise<void> {
  await page.evaluate((attributes) => {
    const element = document.createElement("pinhole-player");
    for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
    document.body.append(element);
  }, attributes);
}

async function change(page: Page, what: (element: PinholePlayerElement) => void): Promise<void> {
  await page.locator("pinhole-player").evaluate(what);
}

async function playing(page: Page): Promise<void> {
  await page.waitForFunction(() => {
    const element = document.querySelector("pinhole-player");
    return element?.player?.state === "playing" && !element.video.paused;
  });
}
