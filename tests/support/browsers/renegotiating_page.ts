/// <reference lib="dom" />
import assert from "assert";
import { eventually } from "../deadline.ts";
import type { ServerProcess } from "../servers/server_process.ts";

/** What the page of tests/testdata/pages/renegotiation.html sees. */
export interface Look {
  /** Pictures that were decoded. */
  readonly pictures: number;
  /** Packets of sound that came. */
  readonly sound: number;
  readonly ssrcs: readonly number[];
  readonly codec: string | undefined;
  readonly state: string;
  readonly channel: string | undefined;
  readonly ufrag: string;
}

/** One answer that it got. */
export interface SeenAnswer {
  readonly id: string;
  readonly version: number;
  readonly viewer: string;
  readonly sdp: string;
}

/** A page of either browser. */
export interface AnyPage {
  goto(url: string): Promise<unknown>;
  evaluate(script: string): Promise<unknown>;
}

/** Pictures that count as going on, after a change. */
const PICTURES = 15;

/** A viewer on a page that changes what it takes while it plays. */
export class RenegotiatingPage {
  readonly #page: AnyPage;

  private constructor(page: AnyPage) {
    this.#page = page;
  }

  /** Opens the page, and waits until it plays. */
  static async play(
    page: AnyPage,
    { origin, server, query = {} }: {
      /** Where the page is. */
      readonly origin: string;
      readonly server: ServerProcess;
      readonly query?: Readonly<Record<string, string>>;
    },
  ): Promise<RenegotiatingPage> {
    const all = new URLSearchParams({
      server: server.origin.replace("http", "ws"),
      session: "demo",
      ...query,
    });
    await page.goto(`${origin}/renegotiation.html?${all}`);
    const opened = new RenegotiatingPage(page);
    await page.evaluate("start()");
    await opened.showsPictures();
    return opened;
  }

  /** Runs a script on the page. */
  run(script: string): Promise<unknown> {
    return this.#page.evaluate(script);
  }

  async look(): Promise<Look> {
    return await this.#page.evaluate("look()") as Look;
  }

  async answers(): Promise<readonly SeenAnswer[]> {
    return await this.#page.evaluate("answers") as SeenAnswer[];
  }

  /** Makes changes, in one offer. */
  async change(...names: string[]): Promise<void> {
    await this.#page.evaluate(`change(...${JSON.stringify(names)})`);
  }

  /** Waits for more pictures. */
  async showsPictures(): Promise<void> {
    const { pictures } = await this.look();
    await this.sees((look) => look.pictures >= pictures + PICTURES, "for pictures to go on");
  }

  /** Waits for more sound. */
  async hears(): Promise<void> {
    const { sound } = await this.look();
    await this.sees((look) => look.sound >= sound + PICTURES, "for sound");
  }

  /** Waits until the page sees something. */
  async sees(test: (look: Look) => boolean, what: string): Promise<void> {
    let last: Look | undefined;
    await eventually(async () => test(last = await this.look()), {
      what: () => `${what}; the page sees ${JSON.stringify(last)}`,
      ms: 20_000,
    });
  }

  /** All answers so far are the same viewer's: it has its id, and the answers count up. */
  async isOneViewer(): Promise<void> {
    const answers = await this.answers();
    const [first] = answers;
    assert.ok(first);
    for (const [index, { id, version, viewer }] of answers.entries()) {
      assert.deepEqual({ id, version, viewer }, {
        id: first.id,
        version: index + 1,
        viewer: first.viewer,
      });
    }
  }
}
