import { compileReference } from "../support/renderers/native.ts";
import { Random } from "../support/random.ts";
import { ServerProcess } from "../support/servers/server_process.ts";
import { type Sample, Sampler } from "./samples.ts";
import { SoakTunnel, TUNNEL_IP } from "./tunnel.ts";
import { Visitor } from "./visitors.ts";
import { Watcher } from "./watcher.ts";

const SAMPLE_MS = 10_000;
const RECONNECT_EVERY_SAMPLES = 6;
const ASK_MS = 1_000;
const VISITORS = 3;
/** Sessions of those who stay; two in each. */
const STAGES = ["stage-0", "stage-0", "stage-1", "stage-1"] as const;
/** Sessions of those who come and go, one of them with watchers. */
const VISITED = ["stage-1", "visit-0", "visit-1"] as const;
const PORTS = 5;
const IDLE_TIMEOUT_S = 15;
/** Until nobody is left whose place is held for a while after the last one went. */
const EMPTY_MS = 2_000 * IDLE_TIMEOUT_S;

/** Pictures are small: what a soak looks for does not grow with them, and the machine may have other work. */
const CONFIG = {
  "webrtc.public_ip": TUNNEL_IP,
  "webrtc.peers_per_port": 8,
  "webrtc.idle_timeout_s": IDLE_TIMEOUT_S,
  "sessions.viewers_per_session": 16,
  "video.width": 320,
  "video.height": 180,
  "video.fps": 15,
  // Both kinds of pictures within each minute.
  "renderer.options": JSON.stringify({ idle_after_s: 7, idle_for_s: 5 }),
} as const;

/**
 * The server's JavaScript heap, in MiB. Deno frees native memory behind small objects, such as hashes, with the garbage
 * of the heap, and without a limit as small as this it collects none in twenty minutes: a leak would look no different.
 */
const HEAP_MIB = 72;

/** How to soak. */
export interface SoakOptions {
  readonly minutes: number;
  /** Of who comes when, and goes how. */
  readonly seed: number;
  /** Takes one line, without its end. */
  readonly progress: (line: string) => void;
}

/** What came of a soak. */
export interface SoakOutcome {
  readonly samples: readonly Sample[];
  /** Before the first viewer, and after the last. */
  readonly before: Sample;
  readonly after: Sample;
  readonly visits: number;
  readonly visitsFailed: number;
  readonly packets: number;
  readonly answers: number;
  readonly reconnections: number;
  readonly watchersLost: number;
  /** Lines of the log. */
  readonly errors: number;
  /** Everything that went wrong, in words. */
  readonly troubles: readonly string[];
}

/** Runs a server and its people until the time is over. */
export async function soak({ minutes, seed, progress }: SoakOptions): Promise<SoakOutcome> {
  const library = await compileReference();
  // The server inherits it; this process has its own already.
  Deno.env.set("DENO_V8_FLAGS", `--max-old-space-size=${HEAP_MIB}`);
  await using server = await ServerProcess.start({
    ports: PORTS,
    config: { ...CONFIG, "renderer.library": library },
  });
  await using tunnel = new SoakTunnel(server, PORTS);
  const sampler = new Sampler(server);
  const before = await sampler.take();
  const random = new Random(seed);
  const visitors = Array.from(
    { length: VISITORS },
    () => new Visitor({ random, server, sessions: VISITED }),
  );
  const stop = new AbortController();
  const visiting = visitors.map((visitor) => visitor.run(stop.signal));
  const watch = await new Watch(tunnel, { server, sampler, progress }).run(minutes);
  stop.abort();
  await Promise.all(visiting);
  progress("everybody leaves");
  await sleep(EMPTY_MS);
  const failures = visitors.flatMap(({ failures }) => failures);
  const errors = server.log.filter(({ level }) => level === "error");
  return {
    ...watch,
    before,
    after: await sampler.take(),
    visits: visitors.flatMap(({ visits }) => [...visits.values()]).reduce(
      (sum, each) => sum + each,
      0,
    ),
    visitsFailed: failures.length,
    errors: errors.length,
    troubles: [...watch.troubles, ...failures, ...errors.map((line) => JSON.stringify(line))],
  };
}

/** What a {@link Watch} finds. */
type WatchOutcome = Pick<
  SoakOutcome,
  "samples" | "packets" | "answers" | "reconnections" | "watchersLost" | "troubles"
>;

/** Those who stay, and who looks after them and the server. */
class Watch {
  readonly #tunnel: SoakTunnel;
  readonly #tools: WatchTools;
  readonly #watchers: Watcher[] = [];
  readonly #samples: Sample[] = [];
  readonly #troubles: string[] = [];
  #packets = 0;
  #answers = 0;
  #reconnections = 0;
  #lost = 0;

  constructor(tunnel: SoakTunnel, tools: WatchTools) {
    this.#tunnel = tunnel;
    this.#tools = tools;
  }

  async run(minutes: number): Promise<WatchOutcome> {
    await using leaving = new AsyncDisposableStack();
    for (const session of STAGES) {
      this.#watchers.push(leaving.use(await Watcher.join(this.#tunnel.urlOf(session))));
    }
    const asking = setInterval(() => this.#watchers.forEach((watcher) => watcher.ask()), ASK_MS);
    leaving.defer(() => clearInterval(asking));
    const endMs = performance.now() + 60_000 * minutes;
    for (let turn = 1; performance.now() < endMs; turn++) {
      await sleep(SAMPLE_MS);
      await this.#look();
      if (turn % RECONNECT_EVERY_SAMPLES === 0) await this.#reconnect();
    }
    return {
      samples: this.#samples,
      packets: this.#packets,
      answers: this.#answers,
      reconnections: this.#reconnections,
      watchersLost: this.#lost,
      troubles: this.#troubles,
    };
  }

  async #look(): Promise<void> {
    const sample = await this.#tools.sampler.take();
    this.#samples.push(sample);
    for (const [at, watcher] of this.#watchers.entries()) {
      const { packets, messages, lost } = watcher.news();
      this.#packets += packets;
      this.#answers += messages;
      if (lost !== undefined) await this.#replace(at, lost);
    }
    const { residentMib, heapMib, descriptors, sessions, places, lagWorstMs } = sample;
    this.#tools.progress(
      `${(sample.atMs / 60_000).toFixed(1)} min: resident ${residentMib.toFixed(0)} MiB, heap ` +
        `${heapMib.toFixed(0)} MiB, descriptors ${descriptors}, sessions ${sessions}, places ` +
        `${places}, lag ${lagWorstMs} ms at most, lost ${this.#lost}`,
    );
  }

  async #reconnect(): Promise<void> {
    this.#reconnections++;
    this.#tunnel.reconnect();
    for (const [at, watcher] of this.#watchers.entries()) {
      const refused = await watcher.resume();
      if (refused !== undefined) await this.#replace(at, refused);
    }
  }

  async #replace(at: number, why: string): Promise<void> {
    this.#lost++;
    const lastWords = this.#tools.server.lastWords.split("\n").slice(-5).join(" ");
    this.#troubles.push(`watcher ${at}: ${why}; the server said last: ${lastWords}`);
    await this.#watchers[at]?.rejoin();
  }
}

/** What a {@link Watch} works with. */
interface WatchTools {
  readonly server: ServerProcess;
  readonly sampler: Sampler;
  readonly progress: (line: string) => void;
}

function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
