import { WeriftViewer } from "../support/clients/werift_viewer.ts";

/** What the reference library answers a message to. */
const QUESTION = JSON.stringify({ type: "figures" });

/** How a watcher has fared since it was last asked. */
export interface WatcherNews {
  readonly packets: number;
  readonly messages: number;
  /** Why it counts as lost, which it is only told of once. */
  readonly lost?: string;
}

/** A viewer that stays, talks with the renderer, and takes its signalling up again whenever that breaks. */
export class Watcher implements AsyncDisposable {
  readonly #url: string;
  #viewer: WeriftViewer;
  #id: string;

  private constructor(url: string, viewer: WeriftViewer) {
    this.#url = url;
    this.#viewer = viewer;
    this.#id = viewer.id;
  }

  /** Joins, and settles with the first packet. */
  static async join(url: string): Promise<Watcher> {
    return new Watcher(url, await WeriftViewer.play(url));
  }

  /** Says something to the renderer, which answers. */
  ask(): void {
    this.#viewer.send({ type: "message", data: QUESTION });
  }

  /** Goes on over a new WebSocket. @returns Why that was refused. */
  async resume(): Promise<string | undefined> {
    const reply = await this.#viewer.resume(this.#url, this.#id);
    return reply.type === "error" ? `resume: ${reply.code}` : undefined;
  }

  /** What came since the last call; it is forgotten. */
  news(): WatcherNews {
    const { packets, messages } = this.#viewer;
    const ended = messages.find(({ type, state }) => type === "state" && isOver(state));
    const news = {
      packets: packets.length,
      messages: messages.filter(({ type }) => type === "message").length,
      ...(packets.length === 0 ? { lost: "no packet" } : {}),
      ...(ended === undefined ? {} : { lost: `state ${ended.state}` }),
    };
    packets.length = 0;
    messages.length = 0;
    return news;
  }

  /** Comes back as a new viewer. */
  async rejoin(): Promise<void> {
    await this.#viewer[Symbol.asyncDispose]();
    this.#viewer = await WeriftViewer.play(this.#url);
    this.#id = this.#viewer.id;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#viewer[Symbol.asyncDispose]();
  }
}

function isOver(state: unknown): boolean {
  return state === "failed" || state === "closed";
}
