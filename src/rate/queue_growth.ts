import { SlidingLeast } from "./sliding_window.ts";

/** A packet that arrived. */
export interface ArrivedPacket {
  /** On the server's clock. */
  readonly sentAtMs: number;
  /** On the viewer's clock. */
  readonly receivedAtMs: number;
  /** Bytes of video in it; 0 for sound. */
  readonly videoBytes: number;
}

/** A queue that grows too fast to wait until it stands. */
export interface SuddenQueue {
  /** Delay of the newest packet, with the offset of the clocks. */
  readonly delayMs: number;
  /** The rate at which packets arrive, in kbit/s of video: the capacity of the path. */
  readonly deliveredKbps: number;
}

/** What is known besides the packets. */
export interface GrowthContext {
  /** Delay of the empty path, with the offset of the clocks. */
  readonly emptyMs: number;
  /** Video sent in the last second, in kbit/s. */
  readonly sentKbps: number;
}

/** The path has transmitted without a pause for this long. */
const BUSY_MS = 60;
/** With a longer gap between two arrivals, as a share of that time, the path has paused, and delays prove nothing. */
const GAP_SHARE_MAX = 0.4;
/** Carrying a smaller share of what is sent, the path fills by 30 ms of queue in 100 ms. */
const CARRIED_SHARE_MAX = 0.7;
const QUEUE_MS_MIN = 45;
/** The delay has to exceed all of this time before: on a path with jitter, some packets are always late. */
const USUAL = { windowMs: 5_000, buckets: 10 } as const;
const ABOVE_USUAL_MS = 20;
const ARRIVALS_MAX = 256;

/**
 * Detects a path that suddenly carries far less than is sent, long before a quarter of a second proves that its queue
 * stands: packets arrive one after the other without a pause, each later than the one before, and fewer than are sent. A
 * keyframe does not look like that, because it passes at the usual capacity, nor does a pause of the path, after which
 * all packets arrive at once. Pure: times are arguments.
 */
export class QueueGrowth {
  /** Arrivals of the last {@link BUSY_MS} and the one before; oldest first. */
  #arrivals: ArrivedPacket[] = [];
  /** Negated longest delay of each report. */
  #usual = new SlidingLeast(USUAL);

  /** Processes the packets of one report that arrived, in sending order. @returns `undefined` without sudden growth. */
  read(
    packets: readonly ArrivedPacket[],
    { emptyMs, sentKbps }: GrowthContext,
  ): SuddenQueue | undefined {
    for (const packet of packets) {
      // Reports may arrive out of order.
      if (packet.receivedAtMs >= (this.#arrivals.at(-1)?.receivedAtMs ?? packet.receivedAtMs)) {
        this.#arrivals.push(packet);
      }
    }
    this.#arrivals = this.#arrivals.slice(-ARRIVALS_MAX);
    const last = this.#arrivals.at(-1);
    if (last === undefined) return undefined;
    const begin = this.#arrivals.findLastIndex(({ receivedAtMs }) =>
      last.receivedAtMs - receivedAtMs >= BUSY_MS
    );
    this.#arrivals = this.#arrivals.slice(Math.max(0, begin));
    const usualMs = -this.#usual.value;
    this.#usual.add(-Math.max(...packets.map(delayOf)), last.sentAtMs);
    const delayMs = delayOf(last);
    if (begin < 0 || delayMs < Math.max(emptyMs + QUEUE_MS_MIN, usualMs + ABOVE_USUAL_MS)) {
      return undefined;
    }
    const deliveredKbps = this.#busyKbps(last);
    if (deliveredKbps === undefined || deliveredKbps > CARRIED_SHARE_MAX * sentKbps) {
      return undefined;
    }
    return { delayMs, deliveredKbps };
  }

  /** The rate at which packets arrive; `undefined` if there was a pause. */
  #busyKbps(last: ArrivedPacket): number | undefined {
    const [first, ...others] = this.#arrivals;
    if (first === undefined) return undefined;
    const spanMs = last.receivedAtMs - first.receivedAtMs;
    let [bytes, beforeMs] = [0, first.receivedAtMs];
    for (const { receivedAtMs, videoBytes } of others) {
      if (receivedAtMs - beforeMs > GAP_SHARE_MAX * spanMs) return undefined;
      bytes += videoBytes;
      beforeMs = receivedAtMs;
    }
    return 8 * bytes / spanMs;
  }
}

function delayOf({ sentAtMs, receivedAtMs }: ArrivedPacket): number {
  return receivedAtMs - sentAtMs;
}
