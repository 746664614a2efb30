/// <reference lib="dom" />
import assert from "assert";
import type { Page } from "playwright-core";
import type { PinholePlayer } from "../../src/viewer/pinhole.d.ts";
import { bridgeName } from "../support/renderers/bridge.ts";
import { PythonWriter } from "../support/renderers/bridge_python.ts";
import { browserTest } from "../support/browsers/browser.ts";
import { BrowserPage } from "../support/browsers/browser_page.ts";
import { eventually } from "../support/deadline.ts";
import { encodePng } from "../support/media/idle_media.ts";
import { ServerProcess } from "../support/servers/server_process.ts";

const SIDE = 512;

/** Of the wall behind the head, and of the idle picture: red, green, blue. */
const WALL = [70, 90, 107];
const IDLE = [200, 30, 40];

/** What a colour may differ by on its way through the encoder. */
const COLOUR_ERROR_MAX = 12;

/** Where the mouth is when it is closed or open, from the top of the picture. */
const MOUTH_AT = 335 / SIDE;

/** Of the mouth's 40 and the lips' 128, in the mean of red, green and blue. */
const DARK = 80;

/** Longer than the head is idle between two phrases. */
const GONE_MS = 4_000;

/** What the page shows at one moment. */
interface Look {
  readonly kind: "head" | "idle" | "other";
  /** Whether there is something dark between the lips. */
  readonly isOpen: boolean;
}

browserTest(
  "the Python example: it plays with sound and answers, and a killed one comes back into the same connection",
  async (browser) => {
    const name = bridgeName();
    const folder = await Deno.makeTempDir();
    await using cleanUp = new AsyncDisposableStack();
    cleanUp.defer(() => Deno.remove(folder, { recursive: true }));
    const source = `${folder}/idle.png`;
    await Deno.writeFile(source, encodePng({ width: 64, height: 64 }, () => [200, 30, 40]));
    await using server = await ServerProcess.start({
      config: {
        "video.width": SIDE,
        "video.height": SIDE,
        "renderer.bridge": name,
        "idle.source": source,
      },
    });
    await using viewer = await BrowserPage.open(browser, `${server.origin}/healthz`);
    const { page } = viewer;
    await page.evaluate(play, `${server.origin}/pinhole.js`);
    const shows = (kind: Look["kind"]) =>
      eventually(async () => (await look(page)).kind === kind, { what: `for the ${kind} picture` });

    const mouths: boolean[] = [];
    {
      await using python = PythonWriter.start("example_talking_head.py", name);
      await shows("head");
      await eventually(async () => {
        const { kind, isOpen } = await look(page);
        if (kind === "head" && mouths.at(-1) !== isOpen) mouths.push(isOpen);
        return mouths.length >= 6;
      }, { what: "for the mouth to open and close" });
      const before = await soundPackets(page);
      await eventually(async () => await soundPackets(page) > before + 50, { what: "for sound" });
      await eventually(async () => await answer(page, "hello") === "You said: hello", {
        what: "for an answer",
      });
      python.kill("SIGKILL");
    }
    await shows("idle");
    const untilMs = performance.now() + GONE_MS;
    while (performance.now() < untilMs) assert.equal((await look(page)).kind, "idle");

    await using _python = PythonWriter.start("example_talking_head.py", name);
    await shows("head");
    assert.equal(viewer.sent.filter(({ type }) => type === "offer").length, 1);
    assert.equal(await page.evaluate(() => Reflect.get(globalThis, "player").view.problem), null);
    const gone = server.log.filter(({ event }) => event === "bridge_writer_gone");
    assert.equal(gone.length, 1);
  },
);

async function look(page: Page): Promise<Look> {
  const { corner, mouth } = await page.evaluate(readPixels, MOUTH_AT);
  const is = (colour: readonly number[]) =>
    colour.every((value, at) => Math.abs(value - (corner[at] ?? 0)) <= COLOUR_ERROR_MAX);
  return { kind: is(WALL) ? "head" : is(IDLE) ? "idle" : "other", isOpen: mouth < DARK };
}

/** Starts a player and leaves it, and what it heard last, in the page. */
async function play(client: string): Promise<void> {
  const { PinholePlayer } = await import(client) as typeof import("../../src/viewer/pinhole.js");
  const video = document.body.appendChild(document.createElement("video"));
  const player = new PinholePlayer({ video, session: "anna" });
  player.addEventListener("message", (event) => {
    Reflect.set(globalThis, "heard", (event as CustomEvent<string>).detail);
  });
  Reflect.set(globalThis, "player", player);
  player.start();
}

function readPixels(mouthAt: number): { corner: number[]; mouth: number } {
  const video = document.querySelector("video");
  const canvas = new OffscreenCanvas(128, 128);
  const context = canvas.getContext("2d");
  if (!video || !context) throw new Error("No video");
  context.drawImage(video, 0, 0, canvas.width, canvas.height);
  const pixel = (x: number, y: number) =>
    [...context.getImageData(x * canvas.width, y * canvas.height, 1, 1).data].slice(0, 3);
  const lips = pixel(0.5, mouthAt);
  return { corner: pixel(0.05, 0.05), mouth: lips.reduce((sum, value) => sum + value, 0) / 3 };
}

/** Packets of sound that have come; silence has none. */
function soundPackets(page: Page): Promise<number> {
  return page.evaluate(async () => {
    const player = Reflect.get(globalThis, "player") as PinholePlayer;
    for (const [, stats] of await player.peerConnection?.getStats() ?? []) {
      if (stats.type === "inbound-rtp" && stats.kind === "audio") return stats.packetsReceived;
    }
    return 0;
  });
}

/** Says something. @returns What the page heard last. */
function answer(page: Page, text: string): Promise<unknown> {
  return page.evaluate((text) => {
    (Reflect.get(globalThis, "player") as PinholePlayer).send(text);
    return Reflect.get(globalThis, "heard");
  }, text);
}
