import assert from "assert";
import type { Browser, BrowserContext, BrowserContextOptions, Page } from "playwright-core";
import { eventually, Untimely } from "../deadline.ts";
import { type SeenFrame, VIDEO_READER_SCRIPT, VideoReader } from "./video_reader.ts";

const PAGES = new URL("../../testdata/pages/", import.meta.url);

const MESSAGES_SHOWN = 10;

/** One signalling message. */
export interface SignallingMessage {
  readonly type: string;
  readonly [field: string]: unknown;
}

/** A page in a browser context of its own: what it shows, what it says on WebSockets, and what goes wrong in it. */
export class BrowserPage implements AsyncDisposable {
  readonly page: Page;
  readonly video: VideoReader;
  /** What the page sent, and what it was sent, since it was opened. */
  readonly sent: SignallingMessage[] = [];
  readonly received: SignallingMessage[] = [];
  /** Uncaught errors and what the page wrote to the console as an error. */
  readonly errors: string[] = [];
  readonly #context: BrowserContext;

  private constructor(context: BrowserContext, page: Page) {
    this.#context = context;
    this.page = page;
    this.video = new VideoReader(page);
    page.on("pageerror", (error) => this.errors.push(String(error)));
    page.on("console", (message) => {
      if (message.type() === "error") this.errors.push(message.text());
    });
    page.on("websocket", (socket) => {
      socket.on("framesent", ({ payload }) => this.sent.push(JSON.parse(String(payload))));
      socket.on("framereceived", ({ payload }) => this.received.push(JSON.parse(String(payload))));
    });
  }

  /**
   * Opens `url`. `await using` closes the page, and the browser stays.
   * @param options What the page's context is made with, such as `bypassCSP` for scripts that a test adds.
   */
  static async open(
    browser: Browser,
    url: string,
    options: BrowserContextOptions = {},
  ): Promise<BrowserPage> {
    const context = await browser.newContext(options);
    const page = await context.newPage();
    await page.addInitScript({ content: VIDEO_READER_SCRIPT });
    const opened = new BrowserPage(context, page);
    await page.goto(url);
    return opened;
  }

  /** Waits for the next `count` frames; on the way of a failure, tells what the page complained about. */
  async read(count: number): Promise<SeenFrame[]> {
    try {
      return await this.video.read(count);
    } catch (error) {
      const received = this.received.slice(-MESSAGES_SHOWN).map(withoutSdp);
      const told = { errors: this.errors, received };
      throw new Error(`The page does not play: ${JSON.stringify(told)}`, { cause: error });
    }
  }

  /** Waits until the server has sent a message that `test` holds for, and returns the first. */
  async told(
    what: string,
    test: (message: SignallingMessage) => boolean,
  ): Promise<SignallingMessage> {
    await eventually(() => this.received.some(test), { what: `for ${what}` });
    const found = this.received.find(test);
    assert.ok(found);
    return found;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#context.close();
  }
}

/** Serves the pages of tests/testdata/pages from an origin of their own, as other people's pages are. */
export class PageHost implements AsyncDisposable {
  readonly #server = Deno.serve(
    { hostname: "127.0.0.1", port: 0, onListen() {} },
    async (request) => {
      const name = /^\/(\w+\.html)$/.exec(new URL(request.url).pathname)?.[1];
      if (name === undefined) return new Response(null, { status: 204 });
      const text = await Deno.readTextFile(new URL(name, PAGES));
      return new Response(text, { headers: { "Content-Type": "text/html; charset=utf-8" } });
    },
  );

  /** `http://127.0.0.1:PORT` */
  get origin(): string {
    return `http://127.0.0.1:${this.#server.addr.port}`;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#server.shutdown();
  }
}

/** Frames of one stream: the same renderer, in order, without a hole larger than `gapMax` frames. */
export function assertSteady(frames: readonly SeenFrame[], { gapMax }: { gapMax: number }): void {
  for (const [at, frame] of frames.entries()) {
    const before = frames[at - 1];
    if (before === undefined) continue;
    const step = frame.frameNumber - before.frameNumber;
    const found = `${before.frameNumber} → ${frame.frameNumber}`;
    assert.ok(step > 0, `Frame numbers do not increase: ${found}`);
    if (step > gapMax) throw new Untimely(`A hole of more than ${gapMax} frames: ${found}`);
    assert.ok(frame.currentTimeS >= before.currentTimeS, "currentTime goes back");
  }
  const [first, last] = [frames.at(0), frames.at(-1)];
  assert.ok(first && last && first.currentTimeS < last.currentTimeS, "currentTime stands still");
}

function withoutSdp({ sdp: _, ...message }: SignallingMessage): SignallingMessage {
  return message as SignallingMessage;
}
