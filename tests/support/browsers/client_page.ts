/// <reference lib="dom" />
import type { Browser, JSHandle, Page } from "playwright-core";
import type {
  PinholePlayer,
  PinholePlayerEventMap,
  PinholePlayerOptions,
} from "../../../src/viewer/pinhole.d.ts";

type EventType = keyof PinholePlayerEventMap;
type Detail<Type extends EventType> = PinholePlayerEventMap[Type]["detail"];

/** How a {@link ClientPage} is opened. */
export interface ClientPageOptions {
  /** Runs in the page before anything else. */
  readonly before?: () => void;
  /** The page's timers stand still until {@link ClientPage.pass} moves them. */
  readonly frozenClock?: boolean;
  readonly player?: Omit<PinholePlayerOptions, "video" | "session">;
}

/** Somebody's own page with a player in it, and what the player says. */
export class ClientPage {
  readonly page: Page;
  readonly player: JSHandle<PinholePlayer>;
  readonly #events: { type: string; detail: unknown }[];
  readonly #waiting: Set<() => void>;
  #seen = 0;

  private constructor(
    page: Page,
    player: JSHandle<PinholePlayer>,
    told: { events: { type: string; detail: unknown }[]; waiting: Set<() => void> },
  ) {
    this.page = page;
    this.player = player;
    this.#events = told.events;
    this.#waiting = told.waiting;
  }

  /** Opens `/embed` of `origin` and starts a player for the session `demo`. Closing the browser ends it. */
  static async open(
    browser: Browser,
    origin: string,
    { before, frozenClock = false, player: options }: ClientPageOptions = {},
  ): Promise<ClientPage> {
    const page = await browser.newPage();
    const events: { type: string; detail: unknown }[] = [];
    const waiting = new Set<() => void>();
    const wakeAll = () => {
      for (const wake of waiting) wake();
      waiting.clear();
    };
    page.once("close", wakeAll);
    if (frozenClock) await page.clock.install();
    if (before) await page.addInitScript(before);
    await page.exposeFunction("tell", (type: string, detail: unknown) => {
      events.push({ type, detail });
      wakeAll();
    });
    await page.goto(`${origin}/embed`);
    if (frozenClock) await page.clock.pauseAt(Date.now() + 60_000);
    const player = await page.evaluateHandle(startPlayer, options ?? {});
    return new ClientPage(page, player, { events, waiting });
  }

  /**
   * Waits for the next event of this type that `test` holds for; events before it will not be seen again.
   * @throws {Error} When the page is gone.
   */
  async until<Type extends EventType>(
    type: Type,
    test: (detail: Detail<Type>) => boolean = () => true,
  ): Promise<Detail<Type>> {
    while (true) {
      while (this.#seen < this.#events.length) {
        const event = this.#events[this.#seen++];
        if (event?.type === type && test(event.detail as Detail<Type>)) {
          return event.detail as Detail<Type>;
        }
      }
      if (this.page.isClosed()) throw new Error(`The page is gone before its event "${type}"`);
      await new Promise<void>((resolve) => this.#waiting.add(resolve));
    }
  }

  /** The details of all events of this type so far. */
  all<Type extends EventType>(type: Type): Detail<Type>[] {
    return this.#events.filter((event) => event.type === type)
      .map(({ detail }) => detail as Detail<Type>);
  }

  /** Moves the page's frozen clock on by `ms`. */
  async pass(ms: number): Promise<void> {
    await this.page.clock.runFor(ms);
  }
}

async function startPlayer(
  options: NonNullable<ClientPageOptions["player"]>,
): Promise<PinholePlayer> {
  const path = "/pinhole.js";
  const client: { PinholePlayer: typeof PinholePlayer } = await import(path);
  const video = document.querySelector("video");
  if (!video) throw new Error("No video");
  const player = new client.PinholePlayer({ video, session: "demo", ...options });
  const tell: unknown = Reflect.get(globalThis, "tell");
  if (typeof tell !== "function") throw new Error("No one to tell");
  const types = [
    "state",
    "view",
    "stats",
    "message",
    "error",
    "autoplayblocked",
    "autoplay-blocked",
    "track",
  ] as const;
  for (const type of types) {
    player.addEventListener(type, ({ detail }) => {
      tell(type, detail instanceof MediaStreamTrack ? detail.kind : detail);
    });
  }
  player.start();
  return player;
}
