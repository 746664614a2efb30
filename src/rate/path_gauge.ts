import { QueueGrowth } from "./queue_growth.ts";
import { SlidingLeast, SlidingSum } from "./sliding_window.ts";

/** Result of one packet on its way to the viewer. */
export interface PacketFate {
  /** On the server's clock. */
  readonly sentAtMs: number;
  /** On the viewer's clock, whose zero is arbitrary; `undefined` if the packet is missing. */
  readonly receivedAtMs: number | undefined;
  /** Bytes of video in it, without headers; 0 for sound. */
  readonly videoBytes: number;
}

/** Measured state of a path. */
export interface PathEvidence {
  /** The standing queue of the path, in milliseconds. */
  readonly queueMs: number;
  /** Received video, in kbit/s. While packets queue, this is the capacity of the path. */
  readonly deliveredKbps: number;
  /** Fraction of lost packets, 0 to 1. */
  readonly lossRatio: number;
  /**
   * `begins`: the queue does not stand for a quarter of a second yet, but grows with each picture. `refuted`: packets
   * that were sent before anyone could know of that were not delayed. Default: neither.
   */
  readonly sudden?: "begins" | "refuted" | undefined;
}

/**
 * A burst that drains within this time is ignored, such as a keyframe, the scheduler of a mobile network, or a TCP
 * retransmission in a tunnel, after which everything arrives at once.
 */
const STANDING_MS = 250;
const DELIVERY = { windowMs: 500, buckets: 10 } as const;
const LOSS_MS = 1_000;
/** Minimum number of packets to measure loss. */
const LOSS_PACKETS_MIN = 20;

/**
 * Window for the shortest delay, which is taken as that of an empty path. It is limited because the clocks drift apart
 * by some milliseconds a minute, and routes change.
 */
const EMPTY = { windowMs: 60_000, buckets: 6 } as const;

/** A sudden queue keeps growing until less is sent. With less delay, there is none. */
const SUDDEN_MS_MIN = 25;

/** Maximum reports used for the standing queue; browsers send five in that time. */
const REPORTS_MAX = 32;

/**
 * No packet can be queued longer than since it was sent, nor be a second faster than all others. Beyond these
 * tolerances, the viewer's clock was set.
 */
const CLOCK_SET = { aheadMs: 100, behindMs: 1_000 } as const;

/**
 * Estimates a path's state from the results of its packets. Pure: times are arguments.
 *
 * A tunnel queues for seconds before it drops a packet, so delay is the measure. One-way delays are known up to a
 * constant (the offset of the clocks), which cancels out against the shortest of the last minute. The smallest of the
 * rest within a quarter of a second is the standing queue, as in CoDel (RFC 8289 §3.1). It ignores bursts, while any
 * excess over the path's capacity shows within that time.
 */
export class PathGauge {
  #empty = new SlidingLeast(EMPTY);
  #hiddenMs = 0;
  /** The shortest delay of each report, with its time on the viewer's clock. */
  #reports: { readonly receivedAtMs: number; readonly delayMs: number }[] = [];
  /** Received bytes of video, on the viewer's clock. */
  #arrived = new SlidingSum(DELIVERY);
  #growth = new QueueGrowth();
  #suddenAtMs = Number.NEGATIVE_INFINITY;
  #packets = new SlidingSum({ windowMs: LOSS_MS, buckets: 10 });
  #missing = new SlidingSum({ windowMs: LOSS_MS, buckets: 10 });

  /**
   * Processes the packets of one report, in sending order.
   * @returns The state of the path; `undefined` if none of them arrived.
   */
  read(
    fates: readonly PacketFate[],
    nowMs: number,
    { sentKbps = 0 }: { sentKbps?: number } = {},
  ): PathEvidence | undefined {
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
    const emptyMs = this.#empty.value - this.#hiddenMs;
    const lossRatio = this.#lossRatio(nowMs);
    const standingMs = this.#standing({ receivedAtMs: lastMs, delayMs }) - emptyMs;
    const sudden = this.#growth.read(arrived, { emptyMs, sentKbps });
    if (sudden !== undefined && standingMs < SUDDEN_MS_MIN) {
      this.#reports = [{ receivedAtMs: lastMs, delayMs: sudden.delayMs }];
      this.#suddenAtMs = nowMs;
      const { deliveredKbps } = sudden;
      return { queueMs: sudden.delayMs - emptyMs, deliveredKbps, lossRatio, sudden: "begins" };
    }
    return {
      queueMs: standingMs,
      // Bits per millisecond are kilobits per second.
      deliveredKbps: 8 * this.#arrived.at(lastMs) / DELIVERY.windowMs,
      lossRatio,
      sudden: this.#isRefuted(fastest) ? "refuted" : undefined,
    };
  }

  /** The shortest delay of the last minute, with the offset of the clocks; infinite before the first packet. */
  get leastDelayMs(): number {
    return this.#empty.value;
  }

  /**
   * By how much the empty path's delay is shorter than any that this viewer has seen, in milliseconds: others that
   * share the path know it from a time when no packet waited. Default: 0.
   */
  set hiddenMs(hiddenMs: number) {
    this.#hiddenMs = hiddenMs;
  }

  /** Measures the loss from now on: packets are sent in another way. */
  forgetLoss(): void {
    this.#packets = new SlidingSum({ windowMs: LOSS_MS, buckets: 10 });
    this.#missing = new SlidingSum({ windowMs: LOSS_MS, buckets: 10 });
  }

  #isRefuted(fastest: Arrival): boolean {
    if (fastest.sentAtMs > this.#suddenAtMs) return false;
    return delayOf(fastest) - this.#empty.value + this.#hiddenMs < SUDDEN_MS_MIN;
  }

  /** The smallest recent delay. Reports may arrive out of order. */
  #standing(report: { readonly receivedAtMs: number; readonly delayMs: number }): number {
    const isNear = ({ receivedAtMs }: { readonly receivedAtMs: number }) =>
      Math.abs(report.receivedAtMs - receivedAtMs) < STANDING_MS;
    this.#reports = [...this.#reports.filter(isNear), report].slice(-REPORTS_MAX);
    return Math.min(...this.#reports.map(({ delayMs }) => delayMs));
  }

  /** Resets the measurement if the viewer's clock was set. */
  #checkClock(delayMs: number, awayMs: number): void {
    const queueMs = delayMs - this.#empty.value;
    if (queueMs <= awayMs + CLOCK_SET.aheadMs && queueMs >= -CLOCK_SET.behindMs) return;
    this.#empty = new SlidingLeast(EMPTY);
    this.#reports = [];
    this.#arrived = new SlidingSum(DELIVERY);
    this.#growth = new QueueGrowth();
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

/** One-way delay plus the offset of the clocks. */
function delayOf({ sentAtMs, receivedAtMs }: Arrival): number {
  return receivedAtMs - sentAtMs;
}
