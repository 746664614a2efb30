import { fileURLToPath } from "node:url";
import { ServerProcess } from "../support/servers/server_process.ts";
import type { Progress } from "./figure.ts";

const PION = new URL("peers/pion/", import.meta.url);
const GO = "/usr/local/go/bin";

/** A server that is measured, in a process of its own. */
export type PeerServer = AsyncDisposable & { readonly pid: number; readonly whep: string };

/** A server of ours with one port, for so many viewers of one session. */
export async function openPinhole(
  library: string,
  { viewers, fps }: { viewers: number; fps: number },
): Promise<PeerServer> {
  const server = await ServerProcess.start({
    ports: 1,
    config: {
      "renderer.library": library,
      "video.fps": fps,
      "webrtc.peers_per_port": viewers,
      "sessions.viewers_per_session": viewers,
      "audio.enabled": false,
    },
  });
  return {
    pid: server.pid,
    whep: `${server.origin}/whep/bench`,
    [Symbol.asyncDispose]: () => server[Symbol.asyncDispose](),
  };
}

/** A server by pion. */
export async function openPion(peer: string): Promise<PeerServer> {
  const child = await PeerProcess.start(peer, ["serve", "127.0.0.1:0"]);
  return {
    pid: child.pid,
    whep: `http://${child.ready.listening}/whep/bench`,
    [Symbol.asyncDispose]: () => child[Symbol.asyncDispose](),
  };
}

/** A server by aiortc. @param way One of tests/bench/peers/aiortc/server.py. */
export async function openAiortc(
  [python, script]: readonly [python: string, script: string],
  way: "plain" | "tuned" | "encoded",
): Promise<PeerServer> {
  const child = await PeerProcess.start(python, [script, way]);
  return {
    pid: child.pid,
    whep: `http://${child.ready.listening}/whep/bench`,
    [Symbol.asyncDispose]: () => child[Symbol.asyncDispose](),
  };
}

/** Builds pion's side. @returns The path of the program. */
export async function buildPeer(progress: Progress = () => {}): Promise<string> {
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

/** A process that is none of ours: a server beside ours, or its viewers. */
export class PeerProcess implements AsyncDisposable {
  readonly #child: Deno.ChildProcess;
  readonly #lines: AsyncIterator<string>;
  readonly #stdin: WritableStreamDefaultWriter<Uint8Array>;
  /** What it said when it was ready. */
  ready: {
    readonly listening?: string;
    /** Times of viewers that have joined, in milliseconds since the offer of each. */
    readonly joined?: readonly {
      readonly connected: number;
      readonly first_packet: number;
      readonly first_picture: number;
    }[];
    readonly packet_us?: number;
  } = {};

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
    const { received } = await this.ask<{ received: [number, number][] }>("{}");
    return received;
  }

  /** Writes a line on its standard input, and reads the line by which it answers. */
  async ask<T>(line: string): Promise<T> {
    await this.#stdin.write(new TextEncoder().encode(`${line}\n`));
    return await this.#next<T>();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    try {
      this.#child.kill("SIGKILL");
    } catch {
      // It has ended by itself.
    }
    await this.#child.status;
    await this.#stdin.abort().catch(() => {});
    await this.#lines.return?.();
  }

  async #next<T = PeerProcess["ready"]>(): Promise<T> {
    const { value, done } = await this.#lines.next();
    if (done) throw new Error("The process of a peer has ended; its words stand above");
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
