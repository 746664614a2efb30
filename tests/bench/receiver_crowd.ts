import type { ServerProcess } from "../support/servers/server_process.ts";
import { buildPeer, PeerProcess } from "./peer_process.ts";

/** What one viewer was sent in a while. */
export interface Reception {
  /** Per second, all whole or not. */
  readonly pictures: number;
  /** RTP packets of video per second. */
  readonly packets: number;
}

/** How a crowd answers each command (tests/bench/peers/pion/crowd.go). */
interface CrowdAnswer {
  readonly received: readonly (readonly [packets: number, pictures: number])[];
  readonly refused: Readonly<Record<string, number>>;
  /** Why the last viewer did not join, or empty. */
  readonly failure: string;
}

/**
 * Viewers that take packets and decode nothing, each in a session of its own. They are pion's, in a process of their own:
 * it takes a few percent of the cores that are measured, and waits for no viewer longer than a minute.
 */
export class ReceiverCrowd implements AsyncDisposable {
  readonly #server: ServerProcess;
  readonly #process: PeerProcess;
  readonly #refused = new Map<string, number>();
  #size = 0;

  private constructor(server: ServerProcess, process: PeerProcess) {
    this.#server = server;
    this.#process = process;
  }

  /** A crowd without a viewer. */
  static async open(server: ServerProcess): Promise<ReceiverCrowd> {
    const program = await buildPeer();
    const url = `${server.origin}/whep/bench`;
    return new ReceiverCrowd(server, await PeerProcess.start(program, ["crowd", url]));
  }

  /**
   * Adds viewers, one after another, until there are so many; settles when each has had a picture, or was refused.
   * @throws {Error} With the server's last words, when one gets neither.
   */
  async grow(size: number): Promise<void> {
    const { received, refused, failure } = await this.#ask({ join: size - this.#size });
    this.#size = received.length;
    for (const [code, count] of Object.entries(refused)) {
      this.#refused.set(code, (this.#refused.get(code) ?? 0) + count);
    }
    if (failure !== "") throw new Error(`${failure}\n${this.#server.lastWords}`);
  }

  /** How many there are. */
  get size(): number {
    return this.#size;
  }

  /** How many were refused, by code. */
  get refused(): ReadonlyMap<string, number> {
    return this.#refused;
  }

  /** Lets the newest viewers leave at once until there are so many. */
  async shrink(size: number): Promise<void> {
    const { received } = await this.#ask({ leave: this.#size - size });
    this.#size = received.length;
  }

  /** Pictures that each has received since it joined. */
  async pictures(): Promise<readonly number[]> {
    return (await this.#process.received()).map(([, pictures]) => pictures);
  }

  /** Lets `ms` milliseconds pass. @returns What each viewer was sent meanwhile. */
  async receive(ms: number): Promise<Reception[]> {
    const before = await this.#process.received();
    const startedMs = performance.now();
    await new Promise((resolve) => setTimeout(resolve, ms));
    const after = await this.#process.received();
    const seconds = (performance.now() - startedMs) / 1000;
    return after.map(([packets, pictures], at) => ({
      pictures: (pictures - (before[at]?.[1] ?? 0)) / seconds,
      packets: (packets - (before[at]?.[0] ?? 0)) / seconds,
    }));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    // A crowd that has failed cannot say goodbye; its error is what counts.
    await this.shrink(0).catch(() => {});
    await this.#process[Symbol.asyncDispose]();
  }

  #ask(command: { join?: number; leave?: number }): Promise<CrowdAnswer> {
    return this.#process.ask(JSON.stringify(command));
  }
}
