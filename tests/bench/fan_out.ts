import { fileURLToPath } from "node:url";
import { compileLibrary } from "../support/renderers/native.ts";
import { ServerProcess } from "../support/servers/server_process.ts";
import { type Figure, median, type Progress } from "./figure.ts";
import { cpuSeconds } from "./process_usage.ts";

/** Viewers of one stream. */
const VIEWERS = [10, 50, 100] as const;
const ROUNDS = 2;
const SETTLE_MS = 3_000;
const WINDOW_MS = 6_000;
const FPS = 30;
/** What a server that sends all pictures reaches on a machine that does other things too. */
const FPS_MIN = 0.98 * FPS;

const PION = new URL("peers/pion/", import.meta.url);
const GO = "/usr/local/go/bin";

/** What a server used, and what its viewers got of it. */
interface Cost {
  /** CPU time of the server for each packet, in microseconds. */
  readonly packetUs: number;
  /** Pictures per second, for the viewer that got fewest. */
  readonly picturesMin: number;
}

type Server = AsyncDisposable & { readonly pid: number; readonly whep: string };

/**
 * What a packet costs the server when one encoded stream of 2.5 Mbit/s goes to many viewers on one port, beside what it
 * costs pion, in turns. Viewers are pion's on both sides, in a process of their own that takes its part of the same
 * cores; they decode nothing. CPU time is that of the whole server process: RTCP, timers and the runtime included.
 */
export async function measureFanOut(progress: Progress): Promise<Figure[]> {
  const peer = await buildPeer(progress);
  const library = await compileLibrary(new URL("stream.c", import.meta.url));
  const servers = { pinhole: () => openPinhole(library), pion: () => openPion(peer) };
  const figures: Figure[] = [];
  for (const viewers of VIEWERS) {
    const costs: Record<keyof typeof servers, Cost[]> = { pinhole: [], pion: [] };
    for (let round = 1; round <= ROUNDS; round++) {
      for (const name of ["pinhole", "pion"] as const) {
        progress(`${viewers} viewers, round ${round} of ${ROUNDS}, ${name}`);
        await using server = await servers[name]();
        costs[name].push(await measure(server, { peer, viewers }));
      }
    }
    figures.push(...figuresOf(viewers, costs));
  }
  return figures;
}

function figuresOf(viewers: number, costs: Record<"pinhole" | "pion", readonly Cost[]>): Figure[] {
  const of = (name: "pinhole" | "pion", key: keyof Cost) => median(costs[name].map((c) => c[key]));
  const ratios = costs.pinhole.map(({ packetUs }, round) =>
    packetUs / (costs.pion[round]?.packetUs ?? Number.NaN)
  );
  const name = `${viewers} viewers`;
  return [
    { name: `${name}, CPU for a packet`, value: of("pinhole", "packetUs"), unit: "µs" },
    { name: `${name}, CPU for a packet, pion`, value: of("pion", "packetUs"), unit: "µs" },
    { name: `${name}, CPU, ours / pion's`, value: median(ratios), unit: "", aim: 1 },
    {
      name: `${name}, pictures`,
      value: of("pinhole", "picturesMin"),
      unit: "/s",
      aimAtLeast: FPS_MIN,
    },
    { name: `${name}, pictures, pion`, value: of("pion", "picturesMin"), unit: "/s" },
  ];
}

async function measure(
  server: Server,
  { peer, viewers }: { peer: string; viewers: number },
): Promise<Cost> {
  await using crowd = await PeerProcess.start(peer, ["watch", server.whep, String(viewers)]);
  await sleep(SETTLE_MS);
  const first = await crowd.received();
  const cpuBefore = await cpuSeconds(server.pid);
  const startedMs = performance.now();
  await sleep(WINDOW_MS);
  const cpu = await cpuSeconds(server.pid) - cpuBefore;
  const last = await crowd.received();
  const seconds = (performance.now() - startedMs) / 1000;
  const gained = last.map(([packets, pictures], at) => ({
    packets: packets - (first[at]?.[0] ?? 0),
    pictures: pictures - (first[at]?.[1] ?? 0),
  }));
  const packets = gained.reduce((sum, each) => sum + each.packets, 0);
  return {
    packetUs: 1e6 * cpu / packets,
    picturesMin: Math.min(...gained.map(({ pictures }) => pictures)) / seconds,
  };
}

async function openPinhole(library: string): Promise<Server> {
  const most = Math.max(...VIEWERS);
  const server = await ServerProcess.start({
    ports: 1,
    config: {
      "renderer.library": library,
      "video.fps": FPS,
      "webrtc.peers_per_port": most,
      "sessions.viewers_per_session": most,
      "audio.enabled": false,
    },
  });
  return {
    pid: server.pid,
    whep: `${server.origin}/whep/bench`,
    [Symbol.asyncDispose]: () => server[Symbol.asyncDispose](),
  };
}

async function openPion(peer: string): Promise<Server> {
  const child = await PeerProcess.start(peer, ["serve", "127.0.0.1:0"]);
  return {
    pid: child.pid,
    whep: `http://${child.ready.listening}/whep/bench`,
    [Symbol.asyncDispose]: () => child[Symbol.asyncDispose](),
  };
}

/** Builds pion's side. @returns The path of the program. */
async function buildPeer(progress: Progress): Promise<string> {
  progress("building pion's side with Go");
  const target = fileURLToPath(new URL("../.cache/bench/pion", import.meta.url));
  const path = `${Deno.env.get("PATH") ?? ""}:${GO}`;
  const { success, stderr } = await new Deno.Command("go", {
    args: ["build", "-trimpath", "-o", target, "."],
    cwd: PION,
    env: { PATH: path },
    stdout: "null",
    stderr: "piped",
  }).output();
  if (success) return target;
  throw new Error(`Go did not build tests/bench/peers/pion: ${new TextDecoder().decode(stderr)}`);
}

/** A process of pion's side. */
class PeerProcess implements AsyncDisposable {
  readonly #child: Deno.ChildProcess;
  readonly #lines: AsyncIterator<string>;
  readonly #stdin: WritableStreamDefaultWriter<Uint8Array>;
  ready: { readonly listening?: string } = {};

  private constructor(program: string, args: readonly string[]) {
    this.#child = new Deno.Command(program, {
      args: [...args],
      stdin: "piped",
      stdout: "piped",
      stderr: "inherit",
    }).spawn();
    this.#lines = linesOf(this.#child.stdout);
    this.#stdin = this.#child.stdin.getWriter();
  }

  /** Settles when it is ready. */
  static async start(program: string, args: readonly string[]): Promise<PeerProcess> {
    const peer = new PeerProcess(program, args);
    peer.ready = await peer.#next();
    return peer;
  }

  get pid(): number {
    return this.#child.pid;
  }

  /** Packets and pictures that each viewer has received so far. */
  async received(): Promise<readonly (readonly [packets: number, pictures: number])[]> {
    await this.#stdin.write(new TextEncoder().encode("\n"));
    const { received } = await this.#next<{ received: [number, number][] }>();
    return received;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#child.kill("SIGKILL");
    await this.#child.status;
    await this.#stdin.abort().catch(() => {});
    await this.#lines.return?.();
  }

  async #next<T = { listening?: string }>(): Promise<T> {
    const { value, done } = await this.#lines.next();
    if (done) throw new Error("pion's side has ended; its words stand above");
    return JSON.parse(value);
  }
}

async function* linesOf(stream: ReadableStream<Uint8Array<ArrayBuffer>>): AsyncGenerator<string> {
  let rest = "";
  for await (const text of stream.pipeThrough(new TextDecoderStream())) {
    const lines = (rest + text).split("\n");
    rest = lines.pop() ?? "";
    yield* lines;
  }
}

function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
