import { Random } from "../support/random.ts";

/** A path in one direction, in virtual time. */
export interface LinkOptions {
  readonly seed: number;
  /** What it carries at a moment, in kbit/s on the wire. */
  readonly capacityKbps: (nowMs: number) => number;
  /** One way, when it is empty. */
  readonly delayMs: number;
  /** Bytes on the wire for each byte sent: 1.44 through frp's UDP proxy. Default 1. */
  readonly overhead?: number;
  /** Packets that wait, at most; more are lost. Default: frp's 1024. */
  readonly queuePackets?: number;
  /** Share of packets that get lost at random. Default 0. */
  readonly loss?: number;
  /** How many packets in a row get lost at a time. Default 1. */
  readonly lossBurst?: number;
  /** Up to so much is added to each packet's delay. Default 0. */
  readonly jitterMs?: number;
  /** Now and then nothing passes for a while, as when a tunnel's TCP sends a segment again. */
  readonly stalls?: { readonly everyMs: number; readonly forMs: number };
  /** A token bucket: after a pause so many milliseconds of the capacity pass at once, as frp's limiter lets them. */
  readonly bucketMs?: number;
}

/** A seeded link with a queue: the same seed gives the same run. Packets stay in order. */
export class SimulatedLink {
  readonly #options: LinkOptions;
  readonly #random: Random;
  /** When the link is done with all that it was given. */
  #freeAtMs = 0;
  #lastArrivalMs = 0;
  #stalledUntilMs = 0;
  #nextStallMs: number;
  /** Packets that get lost from now on. */
  #losing = 0;
  /** When the packets leave the queue that are in it. */
  #waiting: number[] = [];

  constructor(options: LinkOptions) {
    this.#options = options;
    this.#random = new Random(options.seed);
    this.#nextStallMs = this.#untilNextStall(0);
  }

  /** Sends a packet. @returns When it arrives; `undefined` when it is lost. */
  send(bytes: number, nowMs: number): number | undefined {
    const { capacityKbps, overhead = 1, queuePackets = 1024, delayMs, loss = 0 } = this.#options;
    const { jitterMs = 0, bucketMs = 0 } = this.#options;
    this.#waiting = this.#waiting.filter((leavesAtMs) => leavesAtMs > nowMs);
    if (this.#waiting.length >= queuePackets) return undefined;
    this.#stall(nowMs);
    const spentMs = (8 * bytes * overhead) / capacityKbps(nowMs);
    this.#freeAtMs = Math.max(this.#freeAtMs, nowMs - bucketMs) + spentMs;
    const leavesAtMs = Math.max(this.#freeAtMs, nowMs, this.#stalledUntilMs);
    this.#waiting.push(leavesAtMs);
    if (this.#isLost(loss)) return undefined;
    const arrival = leavesAtMs + delayMs + this.#random.below(1000) / 1000 * jitterMs;
    this.#lastArrivalMs = Math.max(this.#lastArrivalMs, arrival);
    return this.#lastArrivalMs;
  }

  #isLost(loss: number): boolean {
    const { lossBurst = 1 } = this.#options;
    if (this.#losing > 0) return --this.#losing >= 0;
    if (this.#random.below(1_000_000) >= loss * 1_000_000 / lossBurst) return false;
    this.#losing = lossBurst - 1;
    return true;
  }

  /** How long a packet that is sent now would wait in the queue, in milliseconds. */
  queueMs(nowMs: number): number {
    return Math.max(0, this.#freeAtMs - nowMs);
  }

  #stall(nowMs: number): void {
    if (nowMs < this.#nextStallMs) return;
    this.#stalledUntilMs = nowMs + (this.#options.stalls?.forMs ?? 0);
    this.#nextStallMs = this.#untilNextStall(nowMs);
  }

  #untilNextStall(nowMs: number): number {
    const { stalls } = this.#options;
    if (stalls === undefined) return Number.POSITIVE_INFINITY;
    return nowMs + stalls.everyMs / 2 + this.#random.below(stalls.everyMs);
  }
}
