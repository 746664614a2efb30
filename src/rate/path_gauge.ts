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
const DELIVERY = { windowMs: 500, buckets: 10 } as const;
const LOSS_MS = 1_000;
/** Fewer packets than this say nothing about loss. */
const LOSS_PACKETS_MIN = 20;

/**
 * The shortest delay is taken for that of an empty path. It is forgotten after a while, since two clocks drift apart by
 * some milliseconds a minute, and routes change.
 */
const EMPTY = { windowMs: 60_000, buckets: 6 } as const;

/** Reports that the standing queue is read from, at most: browsers make five in that time. */
const REPORTS_MAX = 32;

/**
 * No packet waits longer than it is away, and none is faster than all others by a second: whatever shows this beyond some
 * tolerance is a viewer's clock that was set, not a queue.
 */
const CLOCK_SET = { aheadMs: 100, behindMs: 1_000 } as const;

/**
 * Reads a path's state from how its packets fared: pure, times are arguments.
 *
 * A tunnel queues for seconds before it loses anything, so what counts is the delay. One-way delays are known but for a
 * constant (the clocks of both ends), which falls out against the shortest of the last minute. Of the rest, the least in a
 * quarter of a second is the queue that stands, as CoDel sees it (RFC 8289 §3.1): it does not react to bursts, while
 * anything that is sent beyond what the path carries shows within that time.
 */
export class PathGauge {
  #empty = new SlidingLeast(EMPTY);
  /** The shortest delay of each report, by the viewer's clock. */
  #reports: { readonly receivedAtMs: number; readonly delayMs: number }[] = [];
  /** Bytes of video, by the viewer's clock. */
  #arrived = new SlidingSum(DELIVERY);
  readonly #packets = new SlidingSum({ windowMs: LOSS_MS, buckets: 10 });
  readonly #missing = new SlidingSum({ windowMs: LOSS_MS, buckets: 10 });

  /**
   * Takes the packets of one report, in the order of sending.
   * @returns What they tell; `undefined` when none of them arrived.
   */
  read(fates: readonly PacketFate[], nowMs: number): PathEvidence | undefined {
    const arrived = fates.filter(hasArrived);
    this.#packets.add(fates.length, nowMs);
    this.#missing.add(fates.length - arrived.length, nowMs);
    const [first, ...others] = arrived;
    if (first === undefined) return undefined;
    const fastest = others.reduce((a, b) => delayOf(b) < delayOf(a) ? b : a, first);
    const delayMs = delayOf(fastest);
    this.#checkClock(delayMs, nowMs - fastest.sentAtMs);
    let lastMs = first.receivedAtMs;
    for (const { receivedAtMs, videoBytes } of arrived) {
      lastMs = Math.max(lastMs, receivedAtMs);
      this.#arrived.add(videoBytes, receivedAtMs);
    }
    this.#empty.add(delayMs, nowMs);
    return {
      queueMs: this.#standing({ receivedAtMs: lastMs, delayMs }) - this.#empty.value,
      // Bits in a millisecond are kilobits in a second.
      deliveredKbps: 8 * this.#arrived.at(lastMs) / DELIVERY.windowMs,
      lossRatio: this.#lossRatio(nowMs),
    };
  }

  /** The least delay of the last while. Reports may overtake each other. */
  #standing(report: { readonly receivedAtMs: number; readonly delayMs: number }): number {
    const isNear = ({ receivedAtMs }: { readonly receivedAtMs: number }) =>
      Math.abs(report.receivedAtMs - receivedAtMs) < STANDING_MS;
    this.#reports = [...this.#reports.filter(isNear), report].slice(-REPORTS_MAX);
    return Math.min(...this.#reports.map(({ delayMs }) => delayMs));
  }

  /** Begins anew where the viewer's clock was set. */
  #checkClock(delayMs: number, awayMs: number): void {
    const queueMs = delayMs - this.#empty.value;
    if (queueMs <= awayMs + CLOCK_SET.aheadMs && queueMs >= -CLOCK_SET.behindMs) return;
    this.#empty = new SlidingLeast(EMPTY);
    this.#reports = [];
    this.#arrived = new SlidingSum(DELIVERY);
  }

  #lossRatio(nowMs: number): number {
    const packets = this.#packets.at(nowMs);
    return packets < LOSS_PACKETS_MIN ? 0 : this.#missing.at(nowMs) / packets;
  }
}

type Arrival = PacketFate & { readonly receivedAtMs: number };

function hasArrived(fate: PacketFate): fate is Arrival {
  return fate.receivedAtMs !== undefined;
}

/** But for the difference of the clocks. */
function delayOf({ sentAtMs, receivedAtMs }: Arrival): number {
  return receivedAtMs - sentAtMs;
}
