import { type ClientKind, findClient } from "./client_programs.ts";
import { eventually, within } from "../deadline.ts";

/** What a client is to offer. Sections are added to those of its former offers. */
export interface ClientOffer {
  /** Sections of video to add. Default: 0. */
  readonly video?: number;
  /** Sections of sound to add. Default: 0. */
  readonly audio?: number;
  /** Whether to open the data channel. Default: no. */
  readonly channel?: boolean;
  /** The only codec of its video. Default: all that the client has. */
  readonly codec?: "H264" | "VP8";
  /** Default: that of the client. */
  readonly bundle?: "max-bundle" | "balanced" | "max-compat";
  /** Whether to restart ICE. */
  readonly restart?: boolean;
  /** By which it gathers candidates. Default: `udp`. */
  readonly network?: "udp" | "tcp";
  /** The only DTLS cipher suite, by pion's name without its beginning. */
  readonly cipher?: string;
  /** The only elliptic curve. */
  readonly curve?: string;
  /** The only SRTP profile. */
  readonly srtp?: string;
}

/** What came of one kind of media so far. */
export interface MediaCounts {
  /** RTP packets; clients that tell only pictures and sounds count those. */
  readonly packets: number;
  /** Pictures or sounds that were decoded, by clients that decode. */
  readonly decoded?: number;
  readonly keyframes?: number;
  readonly width?: number;
  readonly height?: number;
}

/** A line that a client's program said. */
export interface ClientEvent {
  readonly event: string;
  /** When its line was read, in milliseconds of `performance.now()`. */
  readonly atMs: number;
  readonly [field: string]: unknown;
}

/** What it cannot do, or will not: its answer to an offer that it was asked for, or to an answer that it was given. */
export class ClientRefusal extends Error {}

/** A program must not tell its tests more than this many lines. */
const EVENTS_MAX = 10_000;

/**
 * The peer connection of a client that is not ours, in a process of its own: it reads commands from its standard input
 * and tells events on its standard output, one JSON object a line.
 *
 * Commands: `offer` (the members of {@link ClientOffer}), `answer` (`sdp`), `candidate`
 * (a candidate of signalling; aiortc alone), `send` (`text`), `keyframe`, `close`.
 * Events: `offer` (`sdp`), `answered`, `refused` (`command`, `reason`), `state` (`state`, as in browsers), `media`
 * (`video`, `audio`: {@link MediaCounts}), `channel` (`state`), `message` (`text`), `ended` (`kind`).
 */
export class ClientProgram implements AsyncDisposable {
  readonly kind: ClientKind;
  /** All that it said, oldest first. */
  readonly events: ClientEvent[] = [];
  readonly #child: Deno.ChildProcess;
  readonly #input: WritableStreamDefaultWriter<Uint8Array>;
  readonly #reading: Promise<void>;
  #words = "";
  #ended = false;

  /** Starts the program. @throws {Error} When there is none. */
  constructor(kind: ClientKind) {
    const [program, ...args] = findClient(kind) ?? [];
    if (program === undefined) throw new Error(`There is no client from ${kind}`);
    this.kind = kind;
    this.#child = new Deno.Command(program, {
      args,
      stdin: "piped",
      stdout: "piped",
      stderr: "piped",
    }).spawn();
    this.#input = this.#child.stdin.getWriter();
    this.#reading = Promise.all([this.#readEvents(), this.#readWords()]).then(() => {
      this.#ended = true;
    });
  }

  /** Makes an offer. @throws {ClientRefusal} When the client cannot. */
  async offer(offer: ClientOffer): Promise<string> {
    return String((await this.#ask({ do: "offer", ...offer }, "offer")).sdp);
  }

  /** Takes an answer over. @throws {ClientRefusal} When the client will not. */
  async answer(sdp: string): Promise<void> {
    await this.#ask({ do: "answer", sdp }, "answered");
  }

  /** Adds the server's candidate by hand, where the client is one of those that need it. */
  async candidate(candidate: unknown): Promise<void> {
    // It forgets the candidates of all sections but the last that shares a transport.
    if (this.kind === "aiortc") await this.#tell({ do: "candidate", ...Object(candidate) });
  }

  /** Says something over the data channel. */
  async send(text: string): Promise<void> {
    await this.#tell({ do: "send", text });
  }

  /** Asks for a keyframe, by PLI or FIR as the client does. */
  async keyframe(): Promise<void> {
    await this.#tell({ do: "keyframe" });
  }

  /** Waits for an event after the first `from` that is as asked for. */
  async next(
    event: string,
    { where = () => true, from = 0, ms }: {
      where?: (event: ClientEvent) => boolean;
      from?: number;
      ms?: number;
    } = {},
  ): Promise<ClientEvent> {
    const find = () => this.events.slice(from).find((each) => each.event === event && where(each));
    await eventually(() => {
      if (this.#ended && find() === undefined) throw new Error(`It has ended\n${this.lastWords}`);
      return find() !== undefined;
    }, {
      what: () => `for ${this.kind} to tell "${event}"\n${this.lastWords}`,
      ...(ms === undefined ? {} : { ms }),
    });
    return find() ?? { event, atMs: 0 };
  }

  /** Waits until the peer connection is in a state. */
  async state(state: string, options: { from?: number; ms?: number } = {}): Promise<ClientEvent> {
    return await this.next("state", { ...options, where: (event) => event.state === state });
  }

  /** Whether its peer connection has failed, which is for good. */
  get hasFailed(): boolean {
    return this.events.some(({ event, state }) => event === "state" && state === "failed");
  }

  /** What came of a kind of media so far. */
  media(kind: "video" | "audio"): MediaCounts {
    const last = this.events.findLast(({ event }) => event === "media");
    return (last?.[kind] ?? { packets: 0 }) as MediaCounts;
  }

  /**
   * Waits for so many more packets of each kind, and that the client decodes them, where it decodes.
   * @throws {Error} At once when its peer connection fails.
   */
  async receives(count: number, ...kinds: readonly ("video" | "audio")[]): Promise<void> {
    for (const kind of kinds) {
      const before = this.media(kind);
      const more = ({ packets, decoded }: MediaCounts) =>
        packets >= before.packets + count &&
        (decoded === undefined || decoded > (before.decoded ?? 0));
      await eventually(() => {
        if (this.hasFailed) throw new Error(`${this.kind} has failed:\n${this.lastWords}`);
        return more(this.media(kind));
      }, {
        what: () =>
          `for ${count} packets of ${kind} at ${this.kind}, there are ` +
          `${JSON.stringify(this.media(kind))}\n${this.lastWords}`,
      });
    }
  }

  /** The last that the program said, on both its outputs. */
  get lastWords(): string {
    const lines = this.events.slice(-8).map((event) => JSON.stringify(event).slice(0, 200));
    return [...lines, this.#words.slice(-2_000)].join("\n");
  }

  /** Ends the program as it ends by itself: its peer connection is closed first. */
  async close(): Promise<void> {
    if (!this.#ended) await this.#tell({ do: "close" }).catch(() => {});
    await this.#input.close().catch(() => {});
    try {
      await within(this.#child.status, { what: `for ${this.kind} to end`, ms: 10_000 });
    } finally {
      this.kill();
      await this.#reading;
    }
  }

  /** Ends the program without a word to anybody. */
  kill(): void {
    try {
      this.#child.kill("SIGKILL");
    } catch {
      // It has ended by itself.
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  async #ask(command: Readonly<Record<string, unknown>>, reply: string): Promise<ClientEvent> {
    const from = this.events.length;
    await this.#tell(command);
    const isReply = ({ event }: ClientEvent) => event === reply || event === "refused";
    await eventually(() => this.#ended || this.events.slice(from).some(isReply), {
      what: () => `for ${this.kind} to answer "${command.do}"\n${this.lastWords}`,
    });
    const event = this.events.slice(from).find(isReply);
    if (event === undefined) throw new Error(`${this.kind} has ended:\n${this.lastWords}`);
    if (event.event === "refused") throw new ClientRefusal(`${this.kind}: ${event.reason}`);
    return event;
  }

  async #tell(command: unknown): Promise<void> {
    await this.#input.write(new TextEncoder().encode(`${JSON.stringify(command)}\n`));
  }

  async #readEvents(): Promise<void> {
    let rest = "";
    for await (const text of this.#child.stdout.pipeThrough(new TextDecoderStream())) {
      const lines = (rest + text).split("\n");
      rest = lines.pop() ?? "";
      for (const line of lines) {
        if (this.events.length >= EVENTS_MAX) throw new Error(`${this.kind} says too much`);
        if (line.startsWith("{")) {
          this.events.push({ ...JSON.parse(line), atMs: performance.now() });
        } else this.#words += `${line}\n`;
      }
    }
  }

  async #readWords(): Promise<void> {
    for await (const text of this.#child.stderr.pipeThrough(new TextDecoderStream())) {
      this.#words = (this.#words + text).slice(-20_000);
    }
  }
}
