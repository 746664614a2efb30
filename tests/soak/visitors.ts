import type { Random } from "../support/random.ts";
import type { ServerProcess } from "../support/servers/server_process.ts";
import { TcpRelay } from "../support/network/tcp_relay.ts";
import { WeriftViewer } from "../support/clients/werift_viewer.ts";

/** How long visitors stay, in milliseconds. */
const STAY_MS = { min: 500, max: 8_000 } as const;
/** Between two visits of one visitor. */
const PAUSE_MS = { min: 100, max: 1_500 } as const;

/** Where a visitor goes, and how long it stays. */
interface Visit {
  /** Signalling. It does not pass the tunnel, which would cut some visits before they began; the media does. */
  readonly url: string;
  /** The same by a way that this visit can cut. */
  readonly cuttable: () => { readonly url: string; readonly relay: TcpRelay };
  readonly stayMs: number;
  readonly origin: string;
}

/** Every way to come and to go. */
const WAYS: Readonly<Record<string, (visit: Visit) => Promise<void>>> = {
  async bye({ url, stayMs }) {
    await using viewer = await play(url);
    await sleep(stayMs);
    viewer.send({ type: "bye" });
  },
  async closed({ url, stayMs }) {
    await using _viewer = await play(url);
    await sleep(stayMs);
  },
  async vanished({ cuttable, stayMs }) {
    const { url, relay } = cuttable();
    await using viewer = await play(url);
    await sleep(stayMs);
    await viewer.vanish();
    relay.close();
  },
  async silent({ url, stayMs }) {
    await using viewer = await play(url);
    await viewer.vanish();
    await sleep(stayMs);
  },
  async never_connected({ cuttable }) {
    const { url, relay } = cuttable();
    await using _viewer = await WeriftViewer.join(url, { answer: () => undefined });
    relay.close();
  },
  async reloaded({ url, stayMs }) {
    const former = await play(url);
    await former.closeSocket();
    await using _viewer = await play(url);
    await former[Symbol.asyncDispose]();
    await sleep(stayMs);
  },
  async malformed({ url }) {
    await using _viewer = await WeriftViewer.join(url, { offer: () => "v=0" });
  },
  async scanner({ origin }) {
    for (const path of ["/.env", "/wp-login.php", "/ws/", "/ws/a%20b", "/api/x", "/metrics"]) {
      const response = await fetch(`${origin}${path}`);
      await response.body?.cancel();
    }
  },
};

/** Joins and waits for the first packet; who gets none leaves, so that it holds no place for the rest of the soak. */
async function play(url: string): Promise<WeriftViewer> {
  const viewer = await WeriftViewer.join(url);
  try {
    await viewer.receives();
    return viewer;
  } catch (error) {
    await viewer[Symbol.asyncDispose]();
    throw error;
  }
}

/** People who come, look and go, one after the other, in ways that a seed decides. */
export class Visitor {
  /** Visits so far, by the way they went. */
  readonly visits = new Map<string, number>();
  /** What went wrong, in words. */
  readonly failures: string[] = [];
  readonly #options: VisitorOptions;

  constructor(options: VisitorOptions) {
    this.#options = options;
  }

  /** Visits until `signal` aborts; settles when the last visit is over. */
  async run(signal: AbortSignal): Promise<void> {
    const { random } = this.#options;
    while (!signal.aborted) {
      const [name, way] = random.pick(Object.entries(WAYS));
      try {
        await this.#visit(way);
      } catch (error) {
        this.failures.push(`${name}: ${error instanceof Error ? error.message : error}`);
      }
      this.visits.set(name, (this.visits.get(name) ?? 0) + 1);
      await sleep(random.between(PAUSE_MS.min, PAUSE_MS.max));
    }
  }

  async #visit(way: (visit: Visit) => Promise<void>): Promise<void> {
    const { random, server: { origin }, sessions } = this.#options;
    const session = random.pick(sessions);
    const urlAt = (port: number) => `ws://127.0.0.1:${port}/ws/${session}`;
    const port = Number(new URL(origin).port);
    const relays: TcpRelay[] = [];
    try {
      await way({
        url: urlAt(port),
        stayMs: random.between(STAY_MS.min, STAY_MS.max),
        origin,
        cuttable: () => {
          const relay = new TcpRelay(port);
          relays.push(relay);
          return { relay, url: urlAt(relay.port) };
        },
      });
    } finally {
      for (const relay of relays) relay.close();
    }
  }
}

/** What a {@link Visitor} needs. */
export interface VisitorOptions {
  readonly random: Random;
  readonly server: ServerProcess;
  /** Where it may go. */
  readonly sessions: readonly string[];
}

function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
