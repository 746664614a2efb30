import { SlidingLeast, SlidingSum } from "./sliding.ts";

/** How one packet fared on its way to the viewer. */
export interface PacketFate {
  /** On the server's clock. */
  readonly sentAtMs: number;
  /** On the viewer's clock, whose zero is arbitrary; `undefined` when the packet is missing. */
  readonly receivedAtMs: number | undefined;
  /** Bytes of video in it, without headers; 0 for sound. */
  readonly videoBytes: number;
}

/** What a path does at a moment. */
export interface PathEvidence {
  /** How long the queue on the path is at its emptiest, in milliseconds. */
  readonly queueMs: number;
  /** Video that arrived, in kbit/s. Where packets queue, this is what the path carries. */
  readonly deliveredKbps: number;
  /** Share of packets that went missing, 0 to 1. */
  readonly lossRatio: number;
}

/**
 * A burst that drains within this time is none of our business: a keyframe, the scheduler of a mobile network, or a
 * tunnel's TCP that sends a segment again, behind which everything arrives at once.
 */
const STANDING_MS = 250;
const DELIVERY_MS = 500;
const LOSS_MS = 1_000;
/** Fewer packets than this say nothing about loss. */
const LOSS_PACKETS_MIN = 20;

/**
 * The shortest delay is taken for that of an empty path. It is forgotten after a while, since two clocks drift apart by
 * some milliseconds a minute, and routes change.
 */
const EMPTY = { windowMs: 60_000, buckets: 6 } as const;

/**
 * Reads a path's state from how its packets fared: pure, times are arguments.
 *
 * A tunnel queues for seconds before it loses anything, so what counts is the delay. One-way delays are known but for a
 * constant (the clocks of both ends), which falls out against the shortest of the last minute. Of the rest, the least in a
 * quarter of a second is the queue that stands, as CoDel sees it (RFC 8289 §3.1): it does not react to bursts, while
 * anything that is sent beyond what the path carries shows within that time.
 */
export class PathGauge {
  readonly #empty = new SlidingLeast(EMPTY);
  /** The shortest delay of each report, by the viewer's clock. */
  #reports: { readonly receivedAtMs: number; readonly delayMs: number }[] = [];
  readonly #arrived = new SlidingSum({ windowMs: DELIVERY_MS, buckets: 10 });
  readonly #packets = new SlidingSum({ windowMs: LOSS_MS, buckets: 10 });
  readonly #missing = new SlidingSum({ windowMs: LOSS_MS, buckets: 10 });

  /**
   * Takes the packets of one report, in the order of sending.
   * @returns What they tell; `undefined` when none of them arrived.
   */
  read(fates: readonly PacketFate[], nowMs: number): PathEvidence | undefined {
    let delayMs = Number.POSITIVE_INFINITY;
    let lastMs = Number.NEGATIVE_INFINITY;
    let missing = 0;
    for (const { sentAtMs, receivedAtMs, videoBytes } of fates) {
      if (receivedAtMs === undefined) {
        missing++;
        continue;
      }
      delayMs = Math.min(delayMs, receivedAtMs - sentAtMs);
      lastMs = Math.max(lastMs, receivedAtMs);
      this.#arrived.add(videoBytes, receivedAtMs);
    }
    this.#packets.add(fates.length, nowMs);
    this.#missing.add(missing, nowMs);
    if (delayMs === Number.POSITIVE_INFINITY) return undefined;
    this.#empty.add(delayMs, nowMs);
    this.#reports = this.#reports.filter(({ receivedAtMs }) => lastMs - receivedAtMs < STANDING_MS);
    this.#reports.push({ receivedAtMs: lastMs, delayMs });
    return {
      queueMs: Math.min(...this.#reports.map((report) => report.delayMs)) - this.#empty.value,
      // Bits in a millisecond are kilobits in a second.
      deliveredKbps: 8 * this.#arrived.at(lastMs) / DELIVERY_MS,
      lossRatio: this.#lossRatio(nowMs),
    };
  }

  #lossRatio(nowMs: number): number {
    const packets = this.#packets.at(nowMs);
    return packets < LOSS_PACKETS_MIN ? 0 : this.#missing.at(nowMs) / packets;
  }
}
