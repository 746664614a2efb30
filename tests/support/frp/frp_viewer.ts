import assert from "assert";
import type { Browser } from "playwright-core";
import { assertSteady, BrowserPage } from "../browsers/browser_page.ts";
import { eventually, Untimely } from "../deadline.ts";
import type { SeenFrame } from "../browsers/video_reader.ts";

/** Pictures that may be missing between two: a second and a half, as the machine may have other work. */
const GAP_MAX = 30;

/** How late a picture may be behind a tunnel's return: the aim is a second, and this is for machines that are busy. */
export const BACK_MS_MAX = 6_000;

/** The viewer page behind a tunnel, seen from outside: its pictures, and what it negotiated for them. */
export class TunnelViewer implements AsyncDisposable {
  readonly page: BrowserPage;

  private constructor(page: BrowserPage) {
    this.page = page;
  }

  /** Opens the page and waits until it plays. */
  static async open(browser: Browser, origin: string): Promise<TunnelViewer> {
    const viewer = new TunnelViewer(await BrowserPage.open(browser, origin));
    await viewer.playsOn();
    return viewer;
  }

  /** Offers that the page sent. */
  get offers(): number {
    return this.page.sent.filter(({ type }) => type === "offer").length;
  }

  /** How often the server took the page's new WebSocket as its old viewer's. */
  get resumptions(): number {
    return this.page.received.filter(({ type }) => type === "resumed").length;
  }

  /** Peer connections that the page ever made. */
  connections(): Promise<number> {
    return this.page.page.evaluate("notebook.peers.length") as Promise<number>;
  }

  /** State of the page's first peer connection. */
  state(): Promise<RTCPeerConnectionState> {
    const expression = "notebook.peers[0].connectionState";
    return this.page.page.evaluate(expression) as Promise<RTCPeerConnectionState>;
  }

  /** Waits for the first picture that was drawn at `ms` of the wall clock, or later. */
  async frameDrawnSince(ms: number): Promise<SeenFrame> {
    while (true) {
      const [frame] = await this.page.read(1);
      if (frame !== undefined && frame.drawnAtMs >= ms) return frame;
    }
  }

  /** Expects a picture that is drawn from now on, soon, and says how long that took. */
  async comesBack(
    after: string,
    { backMsMax = BACK_MS_MAX }: { backMsMax?: number } = {},
  ): Promise<void> {
    const backAtMs = Date.now();
    const { shownAtMs } = await this.frameDrawnSince(backAtMs);
    const tookMs = shownAtMs - backAtMs;
    // deno-lint-ignore no-console
    console.log(`Picture ${tookMs} ms after ${after}`);
    if (tookMs > backMsMax) throw new Untimely(`The picture came back after ${tookMs} ms`);
  }

  /** Waits until no picture came for `ms` and then one does. @returns The pictures before and after that. */
  async pauseOf(ms: number): Promise<{ before: SeenFrame; after: SeenFrame }> {
    let [before] = await this.page.read(1);
    while (true) {
      const [after] = await this.page.read(1);
      assert.ok(before && after);
      if (after.shownAtMs - before.shownAtMs >= ms) return { before, after };
      before = after;
    }
  }

  /** Freezes the page, as browsers do with tabs that nobody looks at: its scripts and timers stand still. */
  async fallAsleep(): Promise<void> {
    await this.#setLifecycle("frozen");
  }

  /** Ends what {@link fallAsleep} began. */
  async wakeUp(): Promise<void> {
    await this.#setLifecycle("active");
  }

  /** Expects the picture to move without a jump. */
  async playsOn(frames = 30): Promise<void> {
    assertSteady(await this.page.read(frames), { gapMax: GAP_MAX });
  }

  /** Waits for the `count`th resumption. */
  resumed(count: number): Promise<void> {
    return eventually(() => this.resumptions >= count, { what: "for the WebSocket to resume" });
  }

  async #setLifecycle(state: "frozen" | "active"): Promise<void> {
    const { page } = this.page;
    const devTools = await page.context().newCDPSession(page);
    await devTools.send("Page.setWebLifecycleState", { state });
    await devTools.detach();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.page[Symbol.asyncDispose]();
  }
}
