/// <reference lib="dom" />
import assert from "assert";
import type { Browser, Page } from "playwright-core";
import type { PinholePlayer } from "../../src/viewer/pinhole.d.ts";
import { browserTest } from "../support/browsers/browser.ts";
import {
  FakeSignalling,
  type Reply,
  type SignallingMessage,
} from "../support/browsers/fake_signalling.ts";
import { FakeStreamer, STREAMER_ARGS } from "../support/browsers/fake_streamer.ts";

const args = STREAMER_ARGS;

browserTest(
  "PinholePlayer: start() is fulfilled at the first picture, after as many tries as it takes",
  async (browser) => {
    await using fake = new FakeSignalling();
    const answers = answering(await FakeStreamer.open(browser));
    fake.script.push(refusing("session_full", { retry_after_ms: 1 }), answers);
    const { page, complaints } = await openPage(browser, fake);
    const told = await page.evaluate(async () => {
      const { player } = globalThis as unknown as { player: PinholePlayer };
      const states: string[] = [];
      player.addEventListener("state", ({ detail }) => states.push(detail.state));
      const first = player.start();
      const same = first === player.start();
      await first;
      const atFirst = player.state;
      await player.start();
      player.stop();
      return { states, same, atFirst };
    });
    assert.ok(told.same);
    assert.ok(told.states.includes("waiting"));
    assert.equal(told.atFirst, "playing");
    assert.deepEqual(complaints, []);
  },
  { args },
);

browserTest(
  "PinholePlayer: start() is rejected with the problem that ended it, or with AbortError by stop()",
  async (browser) => {
    await using fake = new FakeSignalling();
    fake.script.push(refusing("unauthorized"));
    const { page, complaints } = await openPage(browser, fake);
    const told = await page.evaluate(async () => {
      const { player, PinholeError } = globalThis as unknown as {
        player: PinholePlayer;
        PinholeError: typeof import("../../src/viewer/pinhole.d.ts").PinholeError;
      };
      const failure = await player.start().catch((error: unknown) => error);
      if (!(failure instanceof PinholeError)) throw failure;
      const { name, code, message, problem } = failure;
      const again = player.start();
      player.stop();
      const stopped = await again.catch((error: unknown) => error);
      return {
        failure: { name, code, message, layer: problem.layer },
        isError: failure instanceof Error,
        stopped: stopped instanceof DOMException && stopped.name,
      };
    });
    const message = "No, said the server";
    const failure = { name: "PinholeError", code: "unauthorized", message, layer: "server" };
    assert.deepEqual(told, { failure, isError: true, stopped: "AbortError" });
    assert.deepEqual(complaints, []);
  },
);

browserTest(
  "PinholePlayer: who does not wait for start() sees no unhandled rejection",
  async (browser) => {
    await using fake = new FakeSignalling();
    fake.script.push(refusing("unauthorized"));
    const { page, complaints } = await openPage(browser, fake);
    await page.evaluate(async () => {
      const { player } = globalThis as unknown as { player: PinholePlayer };
      const failed = new Promise((resolve) => player.addEventListener("error", resolve));
      // As a page that tries again at once, by itself.
      player.addEventListener("error", () => player.start(), { once: true });
      player.start();
      await failed;
      player.stop();
      // The browser reports unhandled rejections after a turn of its event loop.
      await new Promise((resolve) => setTimeout(resolve, 100));
    });
    assert.deepEqual(complaints, []);
    // The same page, with a rejection that is unhandled: the test would see it.
    await page.evaluate(async () => {
      void Promise.reject(new Error("unhandled"));
      await new Promise((resolve) => setTimeout(resolve, 100));
    });
    assert.deepEqual(complaints, ["unhandled"]);
  },
);

function answering(streamer: FakeStreamer): Reply {
  return async ({ sdp }) => {
    const answer = await streamer.answer(String(sdp));
    return [{ type: "answer", sdp: answer, viewer: "viewer" }];
  };
}

function refusing(code: string, more: Partial<SignallingMessage> = {}): Reply {
  const refusal = { type: "error", code, message: "No, said the server", ...more };
  return () => Promise.resolve([refusal]);
}

/** A page with a player that is not started. */
async function openPage(
  browser: Browser,
  fake: FakeSignalling,
): Promise<{ page: Page; complaints: string[] }> {
  const page = await browser.newPage();
  const complaints: string[] = [];
  page.on("pageerror", (error) => complaints.push(error.message));
  await page.goto(`${fake.origin}/embed`);
  await page.evaluate(async () => {
    const path = "/pinhole.js";
    const client: typeof import("../../src/viewer/pinhole.d.ts") = await import(path);
    const video = document.querySelector("video");
    if (!video) throw new Error("No video");
    const player = new client.PinholePlayer({ video, session: "demo" });
    Object.assign(globalThis, { player, PinholeError: client.PinholeError });
  });
  return { page, complaints };
}
