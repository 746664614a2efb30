import type { Live } from "../base/live.ts";
import { PathGauge } from "./path_gauge.ts";
import { RateController, type RateLimits } from "./rate_controller.ts";
import { SlidingLeast, SlidingSum } from "./sliding.ts";
import { RateCap, type RateCapLimits } from "./rate_cap.ts";
import { SentPackets } from "./sent_packets.ts";
import type { TransportFeedback } from "./transport_feedback.ts";

/** What the path to a viewer takes now. */
export interface PathRateView {
  /** The video's rate that fits, in kbit/s. */
  readonly targetKbps: number;
  /** What the viewer limits its pictures to, in kbit/s; infinite where it does not. */
  readonly limitKbps: number;
  /** The queue that stands on the path, in milliseconds; `undefined` while nothing is known. */
  readonly queueMs: number | undefined;
}

/** What a receiver report says of the path. */
export interface ReceiverEvidence {
  readonly roundTripMs: number;
  /** Share of packets that went missing, 0 to 1. */
  readonly lossRatio: number;
  /** How long ago the sender report left that it answers, in milliseconds. */
  readonly answersMs: number;
}

/** What is sent beyond this, in milliseconds of waiting, would only be late: pictures are left out instead. */
const FULL_MS = 250;
/**
 * A path that tells nothing gets a picture so often all the same, else nobody would notice that it works again: after a
 * quarter of the time that it has been silent, within these bounds, since a viewer that is gone costs the others of its
 * session a keyframe each time.
 */
const TRY = { silenceShare: 0.25, leastMs: 500, mostMs: 4_000 } as const;
/** Browsers report each 50 to 250 ms while packets come. */
const SILENT_MS = 1_000;
/**
 * The first picture goes alone: what it meets on its way is known by the first report, or else no sooner than this. On a
 * thin path the pictures behind it would wait for seconds.
 */
const FIRST_REPORT_MS = 400;
/** The first seconds of a stream begin with half its rate, but no less than this. */
const START = { share: 0.5, leastKbps: 1_000 } as const;
const SENT_MS = 1_000;
/**
 * Shortest round trip of ten minutes. A path that does not even take the lowest rate is never seen empty: what it shows
 * then is remembered as its round trip, and the sooner that happens, the later pictures come.
 */
const ROUND_TRIP = { windowMs: 600_000, buckets: 10 } as const;

/**
 * How much video the path to one viewer takes. Its evidence are transport-wide reports, several a second; from viewers
 * that send none, the round trip and the loss of receiver reports, one a second.
 */
export class PathRate {
  readonly #sent = new SentPackets();
  readonly #sentBytes = new SlidingSum({ windowMs: SENT_MS, buckets: 10 });
  readonly #controller: RateController;
  readonly #cap = new RateCap();
  #nowMs: number;
  readonly #expectsReports: boolean;
  #gauge = new PathGauge();
  #roundTrip = new SlidingLeast(ROUND_TRIP);
  #hasReports = false;
  #reportedAtMs = Number.NEGATIVE_INFINITY;
  #queueMs: number | undefined;
  #videoSentAtMs = Number.NEGATIVE_INFINITY;
  #videoBeganAtMs: number | undefined;

  /** @param options.expectsReports Whether the viewer was asked for transport-wide reports. Default: no. */
  constructor({ limits, nowMs, expectsReports = false }: {
    limits: Live<RateLimits>;
    nowMs: number;
    expectsReports?: boolean;
  }) {
    this.#expectsReports = expectsReports;
    this.#nowMs = nowMs;
    const { ceilingKbps } = limits();
    const startKbps = Math.max(START.share * ceilingKbps, START.leastKbps);
    this.#controller = new RateController({ limits, startKbps, nowMs });
  }

  get view(): PathRateView {
    const limitKbps = this.#cap.targetKbps(this.#nowMs);
    const targetKbps = Math.min(this.#controller.targetKbps, limitKbps);
    return { targetKbps, limitKbps, queueMs: this.#queueMs };
  }

  /** What the viewer limits its video to, also below the lowest rate of the connection; none until told. */
  set limits(limits: RateCapLimits) {
    this.#cap.limits = limits;
  }

  /** Whether so much is on its way that a picture more would only be late. */
  isFull(nowMs: number): boolean {
    if (this.#cap.isUsedUp(nowMs)) return true;
    if (!this.#hasReports) return this.#waitsForFirst(nowMs);
    const sinceMs = this.#sent.waitingSinceMs;
    if (sinceMs === undefined) return false;
    return nowMs - sinceMs > this.#roundTrip.value + FULL_MS &&
      nowMs - Math.max(this.#videoSentAtMs, this.#reportedAtMs) < this.#tryIntervalMs(nowMs);
  }

  /** Notes a packet that leaves now; `videoBytes` is 0 for sound. @returns Its transport-wide number, 16 bits. */
  sent(videoBytes: number, nowMs: number): number {
    this.#sentBytes.add(videoBytes, nowMs);
    this.#nowMs = nowMs;
    if (videoBytes > 0) {
      this.#cap.sent(videoBytes, nowMs);
      this.#videoSentAtMs = nowMs;
      this.#videoBeganAtMs ??= nowMs;
    }
    return this.#sent.add(videoBytes, nowMs) & 0xffff;
  }

  /** Takes a transport-wide report. */
  report(feedback: TransportFeedback, nowMs: number): void {
    const fates = this.#sent.settle(feedback);
    this.#hasReports = true;
    this.#reportedAtMs = nowMs;
    const last = fates.findLast(({ receivedAtMs }) => receivedAtMs !== undefined);
    if (last !== undefined) this.#roundTrip.add(nowMs - last.sentAtMs, nowMs);
    const path = this.#gauge.read(fates, nowMs);
    if (path === undefined) return;
    this.#queueMs = path.queueMs;
    this.#controller.update({ ...path, sentKbps: this.#sentKbps(nowMs) }, nowMs);
  }

  /** Takes a receiver report; where there are transport-wide ones, it only shows that a silent path has come to life. */
  receiverReport({ roundTripMs, lossRatio, answersMs }: ReceiverEvidence, nowMs: number): void {
    if (this.#hasReports) return this.#wake(answersMs, nowMs);
    this.#roundTrip.add(roundTripMs, nowMs);
    const sentKbps = this.#sentKbps(nowMs);
    this.#queueMs = roundTripMs - this.#roundTrip.value;
    const deliveredKbps = sentKbps * (1 - lossRatio);
    this.#controller.update({ queueMs: this.#queueMs, deliveredKbps, lossRatio, sentKbps }, nowMs);
  }

  /** Packets go another way from now on: what is known of the former one does not hold for it. */
  moved(): void {
    this.#sent.forget();
    this.#gauge = new PathGauge();
    this.#roundTrip = new SlidingLeast(ROUND_TRIP);
    this.#queueMs = undefined;
  }

  /** What has waited for longer than the path takes again will not be told of any more: it is lost. */
  #wake(answersMs: number, nowMs: number): void {
    const sinceMs = this.#sent.waitingSinceMs ?? nowMs;
    if (nowMs - this.#reportedAtMs > SILENT_MS && nowMs - answersMs > sinceMs) this.#sent.forget();
  }

  #waitsForFirst(nowMs: number): boolean {
    const sinceMs = nowMs - (this.#videoBeganAtMs ?? Number.NEGATIVE_INFINITY);
    return this.#expectsReports && sinceMs < FIRST_REPORT_MS;
  }

  #tryIntervalMs(nowMs: number): number {
    const shareMs = TRY.silenceShare * (nowMs - this.#reportedAtMs);
    return Math.min(Math.max(shareMs, TRY.leastMs), TRY.mostMs);
  }

  #sentKbps(nowMs: number): number {
    return 8 * this.#sentBytes.at(nowMs) / SENT_MS;
  }
}
