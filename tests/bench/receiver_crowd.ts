import type { ServerProcess } from "../support/servers/server_process.ts";
import { WeriftViewer } from "../support/clients/werift_viewer.ts";

/** What one viewer was sent in a while. */
export interface Reception {
  /** Per second, all whole or not. */
  readonly pictures: number;
  /** RTP packets of video per second. */
  readonly packets: number;
}

/** Viewers in this process that take packets and decode nothing, each in a session of its own. */
export class ReceiverCrowd implements AsyncDisposable {
  readonly #server: ServerProcess;
  readonly #viewers: WeriftViewer[] = [];

  constructor(server: ServerProcess) {
    this.#server = server;
  }

  /**
   * Adds viewers until there are so many; settles when each has had a packet.
   * @throws {Error} With the server's last words, when one gets none.
   */
  async grow(size: number): Promise<void> {
    const url = `${this.#server.origin.replace("http", "ws")}/ws`;
    while (this.#viewers.length < size) {
      const session = `bench-${this.#viewers.length}`;
      try {
        this.#viewers.push(await WeriftViewer.play(`${url}/${session}`));
      } catch (cause) {
        const words = this.#server.lastWords;
        throw new Error(`No packet came for session ${session}:\n${words}`, { cause });
      }
    }
  }

  /** How many there are. */
  get size(): number {
    return this.#viewers.length;
  }

  /** Lets the newest viewers leave until there are so many. */
  async shrink(size: number): Promise<void> {
    const leaving = this.#viewers.splice(size);
    await Promise.all(leaving.map((viewer) => viewer[Symbol.asyncDispose]()));
  }

  /** Lets `ms` milliseconds pass. @returns What each viewer was sent meanwhile. */
  async receive(ms: number): Promise<Reception[]> {
    const startedMs = performance.now();
    // They keep all that they are sent.
    for (const viewer of this.#viewers) viewer.packets.length = 0;
    await new Promise((resolve) => setTimeout(resolve, ms));
    const seconds = (performance.now() - startedMs) / 1000;
    return this.#viewers.map(({ packets }) => ({
      pictures: packets.filter(({ marker }) => marker).length / seconds,
      packets: packets.length / seconds,
    }));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#viewers.map((viewer) => viewer[Symbol.asyncDispose]()));
  }
}
