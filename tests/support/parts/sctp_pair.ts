import { type ChannelEvent, Channels } from "../../../src/transport/sctp/channels.ts";
import { SimulatedLink } from "../../sim/link.ts";
import { Random } from "../random.ts";

/** What a path between the two does to packets, each way. */
export interface PathOptions {
  readonly seed: number;
  /** One way, in milliseconds. Default 1. */
  readonly delayMs?: number;
  /** What it carries, in kbit/s. Default 100,000. */
  readonly capacityKbps?: number;
  /** Shares of packets that are lost, that come twice, and that are overtaken by later ones, 0 to 1. Default 0. */
  readonly loss?: number;
  readonly doubled?: number;
  readonly reordered?: number;
}

/** One side of a {@link SctpPair}. */
export interface Side {
  readonly channels: Channels;
  /** The way to it. */
  readonly link: SimulatedLink;
  /** All that happened on this side. */
  readonly events: ChannelEvent[];
  /** Packets that it sent. */
  readonly sent: Uint8Array[];
}

interface Flying {
  readonly atMs: number;
  readonly to: Side;
  readonly packet: Uint8Array;
}

/** Two ends of an association over a seeded path in virtual time: the same seed gives the same run. */
export class SctpPair {
  readonly client: Side;
  readonly server: Side;
  nowMs = 1_000;
  readonly #path: PathOptions;
  readonly #random: Random;
  readonly #flying: Flying[] = [];

  constructor(path: PathOptions) {
    this.#path = path;
    this.#random = new Random(path.seed);
    const random = (bytes: number) => this.#random.bytes(bytes);
    const { delayMs = 1, loss = 0, capacityKbps = 100_000 } = path;
    const side = (sourcePort: number, destinationPort: number): Side => ({
      link: new SimulatedLink({
        seed: path.seed * 2 + (sourcePort & 1),
        capacityKbps: () => capacityKbps,
        delayMs,
        loss,
      }),
      channels: new Channels({
        address: { sourcePort, destinationPort },
        random,
      }),
      events: [],
      sent: [],
    });
    this.client = side(5001, 5000);
    this.server = side(5000, 5001);
  }

  /** Begins from these sides, and runs until both are connected. */
  connect(...sides: readonly Side[]): void {
    for (const side of sides) side.channels.connect(this.nowMs);
    const isUp = ({ events }: Side) => events.some(({ kind }) => kind === "connected");
    this.runUntil(() => isUp(this.client) && isUp(this.server));
  }

  /** Takes what both sides have to send and to say. */
  collect(): void {
    for (const side of [this.client, this.server]) {
      const to = side === this.client ? this.server : this.client;
      for (const packet of side.channels.takePackets()) {
        side.sent.push(packet);
        this.#launch(to, packet);
      }
      side.events.push(...side.channels.takeEvents());
    }
  }

  /** Goes to the next thing that happens. @returns Whether there was one. */
  step(): boolean {
    this.collect();
    const timers = [this.client, this.server].map(({ channels }) =>
      channels.timeoutAtMs ?? Infinity
    );
    const [next] = this.#flying;
    const atMs = Math.min(next?.atMs ?? Infinity, ...timers);
    if (atMs === Infinity) return false;
    this.nowMs = Math.max(this.nowMs, atMs);
    if (next !== undefined && next.atMs <= atMs) {
      this.#flying.shift();
      next.to.channels.receive(next.packet, this.nowMs);
    } else {
      for (const { channels } of [this.client, this.server]) {
        if ((channels.timeoutAtMs ?? Infinity) <= this.nowMs) channels.timeout(this.nowMs);
      }
    }
    this.collect();
    return true;
  }

  /** Runs until something holds; fails when nothing happens any more, or after an hour. */
  runUntil(holds: () => boolean): void {
    const endMs = this.nowMs + 3_600_000;
    while (!holds()) {
      if (!this.step() || this.nowMs > endMs) throw new Error(`Stuck, at ${this.nowMs} ms`);
    }
  }

  /** Runs for so many milliseconds. */
  runFor(ms: number): void {
    const endMs = this.nowMs + ms;
    for (;;) {
      this.collect();
      const timers = [this.client, this.server].map(({ channels }) =>
        channels.timeoutAtMs ?? Infinity
      );
      if (Math.min(this.#flying[0]?.atMs ?? Infinity, ...timers) > endMs || !this.step()) break;
    }
    this.nowMs = endMs;
  }

  #launch(to: Side, packet: Uint8Array): void {
    const { delayMs = 1, doubled = 0, reordered = 0 } = this.#path;
    const happens = (share: number) => this.#random.below(1_000_000) < share * 1_000_000;
    for (let copies = happens(doubled) ? 2 : 1; copies > 0; copies--) {
      const arrivesAtMs = to.link.send(packet.length, this.nowMs);
      if (arrivesAtMs === undefined) continue;
      const laterMs = happens(reordered) ? this.#random.below(1_000) / 1_000 * 5 * delayMs : 0;
      this.#insert({ atMs: arrivesAtMs + laterMs, to, packet });
    }
  }

  #insert(flying: Flying): void {
    let at = this.#flying.length;
    while (at > 0) {
      const before = this.#flying[at - 1];
      if (before === undefined || before.atMs <= flying.atMs) break;
      at--;
    }
    this.#flying.splice(at, 0, flying);
  }
}

/** Messages of a side's events, in their order. */
export function messagesOf({ events }: Side): (string | Uint8Array)[] {
  return events.flatMap((event) => event.kind === "message" ? [event.data] : []);
}

/** Reasons of what a side dropped. */
export function dropsOf({ events }: Side): string[] {
  return events.flatMap((event) => event.kind === "dropped" ? [event.reason] : []);
}

/** Why a side's association ended; `undefined` while it goes on. */
export function endOf({ events }: Side): string | undefined {
  return events.flatMap((event) => event.kind === "ended" ? [event.reason] : [])[0];
}
