import type { Live } from "../base/live.ts";
import { PathGauge } from "./path_gauge.ts";
import { RateController, type RateLimits } from "./rate_controller.ts";
import { SlidingLeast, SlidingSum } from "./sliding_window.ts";
import { Repetition } from "./repetition.ts";
import { RateCap, type RateCapLimits } from "./rate_cap.ts";
import type { SharedPath, SharedPaths } from "./shared_paths.ts";
import { SentPackets } from "./sent_packets.ts";
import type { TransportFeedback } from "./transport_feedback.ts";

/** Current rate of the path to a viewer. */
export interface PathRateView {
  /** The target rate of the video, in kbit/s. */
  readonly targetKbps: number;
  /** The viewer's own limit for video, in kbit/s; infinite if there is none. */
  readonly limitKbps: number;
  /** The standing queue of the path, in milliseconds; `undefined` while unknown. */
  readonly queueMs: number | undefined;
  /** How many viewers share the bottleneck of this path, this one included; 1 if none is known to. */
  readonly pathViewers: number;
}

/** Measurements from a receiver report. */
export interface ReceiverEvidence {
  readonly roundTripMs: number;
  /** Fraction of lost packets, 0 to 1. */
  readonly lossRatio: number;
  /** Time since the sender report that it answers was sent, in milliseconds. */
  readonly answersMs: number;
}

/**
 * With more than this in flight beyond the round trip, in milliseconds, a picture would only be late, so it is
 * skipped.
 */
const FULL_MS = 250;
/**
 * When a queue grows suddenly, pictures are skipped until about so much of it is left, in milliseconds, but not longer
 * than the maximum: then more reports have come.
 */
const DRAIN = { leaveMs: 60, mostMs: 500 } as const;
/**
 * A path without feedback still gets an occasional picture, to detect when it works again: after a quarter of the time
 * that it has been silent, within these limits. The limits matter because a viewer that is gone costs the others of
 * its session a keyframe each time.
 */
const TRY = { silenceShare: 0.25, leastMs: 500, mostMs: 4_000 } as const;
/** Browsers report every 50 to 250 ms while packets arrive. */
const SILENT_MS = 1_000;
/**
 * The first picture is sent alone until the first report, or for this long: on a narrow path, pictures after it would
 * wait for seconds.
 */
const FIRST_REPORT_MS = 400;
/** A stream starts with half its rate, but no less than this. */
const START = { share: 0.5, leastKbps: 1_000 } as const;
/** Packets are sent twice only at this many times the lowest rate. */
const REPEAT_FLOORS = 3;
/** Fewer packets do not show how many get lost. */
const MISSED_OF_MIN = 20;
const SENT_MS = 1_000;
/**
 * Window for the shortest round trip, ten minutes. A path that cannot carry even the lowest rate never appears empty,
 * so with a short window its queue would be taken for its round trip, and pictures would come later and later.
 */
const ROUND_TRIP = { windowMs: 600_000, buckets: 10 } as const;

/**
 * Estimates how much video the path to one viewer can carry, from transport-wide reports, several a second. For
 * viewers that send none, it uses round trip and loss in receiver reports, one a second.
 */
export class PathRate {
  readonly #sent = new SentPackets();
  readonly #sentBytes = new SlidingSum({ windowMs: SENT_MS, buckets: 10 });
  readonly #controller: RateController;
  readonly #cap = new RateCap();
  #nowMs: number;
  readonly #limits: Live<RateLimits>;
  readonly #expectsReports: boolean;
  #gauge = new PathGauge();
  readonly #videoPackets = new SlidingSum({ windowMs: SENT_MS, buckets: 10 });
  readonly #resentPackets = new SlidingSum({ windowMs: SENT_MS, buckets: 10 });
  readonly #repetition = new Repetition();
  #roundTrip = new SlidingLeast(ROUND_TRIP);
  #hasReports = false;
  #reportedAtMs = Number.NEGATIVE_INFINITY;
  #queueMs: number | undefined;
  #videoSentAtMs = Number.NEGATIVE_INFINITY;
  #videoBeganAtMs: number | undefined;
  #drainsUntilMs = Number.NEGATIVE_INFINITY;
  readonly #shared: SharedPath | undefined;

  /**
   * @param options.expectsReports Whether transport-wide reports were negotiated. Default: false.
   * @param options.shared Finds the viewers that share this path. Default: none does.
   */
  constructor({ limits, nowMs, expectsReports = false, shared }: {
    limits: Live<RateLimits>;
    nowMs: number;
    expectsReports?: boolean;
    shared?: SharedPaths;
  }) {
    this.#expectsReports = expectsReports;
    this.#nowMs = nowMs;
    this.#limits = limits;
    const { ceilingKbps } = limits();
    const startKbps = Math.max(START.share * ceilingKbps, START.leastKbps);
    this.#controller = new RateController({ limits, startKbps, nowMs });
    if (expectsReports) this.#shared = shared?.join(this.#controller);
  }

  get view(): PathRateView {
    const limitKbps = this.#cap.targetKbps(this.#nowMs);
    const { floorKbps } = this.#limits();
    const { targetKbps: controlledKbps } = this.#controller;
    const sharedKbps = this.#videoBeganAtMs === undefined
      ? this.#shared?.startKbps(controlledKbps) ?? controlledKbps
      : controlledKbps;
    const targetKbps = Math.min(
      Math.max(sharedKbps / this.#copies, Math.min(floorKbps, controlledKbps)),
      limitKbps / this.#copies,
    );
    const pathViewers = this.#shared?.viewers() ?? 1;
    return { targetKbps, limitKbps, queueMs: this.#queueMs, pathViewers };
  }

  /** Sets the viewer's own limits, which apply even below the minimum rate. Default: none. */
  set limits(limits: RateCapLimits) {
    this.#cap.limits = limits;
  }

  /** Whether so many packets get lost that each is worth sending twice; {@link view} leaves room for that. */
  get isRepeating(): boolean {
    return this.#repetition.isOn;
  }

  /** Records that packets which the viewer missed are sent again, each counted once. */
  resent(packets: number, nowMs: number): void {
    this.#resentPackets.add(packets, nowMs);
  }

  /** Whether so much is in flight that another picture would only be late. */
  isFull(nowMs: number): boolean {
    if (this.#cap.isUsedUp(nowMs)) return true;
    if (!this.#hasReports) return this.#waitsForFirst(nowMs);
    if (nowMs < this.#drainsUntilMs) return true;
    const sinceMs = this.#sent.waitingSinceMs;
    if (sinceMs === undefined) return false;
    return nowMs - sinceMs > this.#roundTrip.value + FULL_MS &&
      nowMs - Math.max(this.#videoSentAtMs, this.#reportedAtMs) < this.#tryIntervalMs(nowMs);
  }

  /**
   * Records a packet that is sent now; `videoBytes` is 0 for sound. @returns Its transport-wide sequence number, 16
   * bits.
   */
  sent(videoBytes: number, nowMs: number): number {
    this.#sentBytes.add(this.#copies * videoBytes, nowMs);
    this.#nowMs = nowMs;
    if (videoBytes > 0) {
      for (let copy = 0; copy < this.#copies; copy++) this.#cap.sent(videoBytes, nowMs);
      this.#videoPackets.add(1, nowMs);
      this.#videoSentAtMs = nowMs;
      if (this.#videoBeganAtMs === undefined) {
        this.#videoBeganAtMs = nowMs;
        this.#shared?.begin(this.#controller.targetKbps, nowMs);
      }
    }
    return this.#sent.add(videoBytes, nowMs) & 0xffff;
  }

  /** Processes a transport-wide report. */
  report(feedback: TransportFeedback, nowMs: number): void {
    const fates = this.#sent.settle(feedback);
    this.#hasReports = true;
    this.#reportedAtMs = nowMs;
    for (const { sentAtMs, receivedAtMs } of fates) {
      if (receivedAtMs !== undefined) this.#shared?.arrived(receivedAtMs - sentAtMs, sentAtMs);
    }
    const last = fates.findLast(({ receivedAtMs }) => receivedAtMs !== undefined);
    if (last !== undefined) this.#roundTrip.add(nowMs - last.sentAtMs, nowMs);
    const sentKbps = this.#sentKbps(nowMs);
    const copies = this.#copies;
    const path = this.#gauge.read(fates, nowMs, { sentKbps: sentKbps / copies });
    if (path === undefined) return;
    this.#repeat(path.lossRatio, nowMs);
    this.#queueMs = path.queueMs;
    if (path.sudden === "begins") this.#drain(path.deliveredKbps, nowMs);
    if (path.sudden === "refuted") this.#drainsUntilMs = nowMs;
    const deliveredKbps = copies * path.deliveredKbps;
    const isRepeated = this.#repetition.isOn;
    this.#controller.update({ ...path, deliveredKbps, sentKbps, isRepeated }, nowMs);
    if (this.#shared === undefined) return;
    const { leastDelayMs } = this.#gauge;
    this.#gauge.hiddenMs = this.#shared.reported({ sentKbps, leastDelayMs }, nowMs);
  }

  /** Processes a receiver report. If there are transport-wide reports, it only shows that a silent path works again. */
  receiverReport({ roundTripMs, lossRatio, answersMs }: ReceiverEvidence, nowMs: number): void {
    if (this.#hasReports) return this.#wake(answersMs, nowMs);
    this.#roundTrip.add(roundTripMs, nowMs);
    const sentKbps = this.#sentKbps(nowMs);
    this.#queueMs = roundTripMs - this.#roundTrip.value;
    const deliveredKbps = sentKbps * (1 - lossRatio);
    this.#controller.update({ queueMs: this.#queueMs, deliveredKbps, lossRatio, sentKbps }, nowMs);
  }

  /** The viewer moved to another path: discards measurements of the previous one. */
  moved(): void {
    this.#sent.forget();
    this.#gauge = new PathGauge();
    this.#roundTrip = new SlidingLeast(ROUND_TRIP);
    this.#queueMs = undefined;
    this.#drainsUntilMs = Number.NEGATIVE_INFINITY;
    this.#shared?.moved();
  }

  /** The viewer is gone: those that share its path get its part. Idempotent. */
  close(): void {
    this.#shared?.leave();
  }

  /** Gives up packets that were sent longer ago than the report's round trip: they are lost. */
  #wake(answersMs: number, nowMs: number): void {
    const sinceMs = this.#sent.waitingSinceMs ?? nowMs;
    if (nowMs - this.#reportedAtMs > SILENT_MS && nowMs - answersMs > sinceMs) this.#sent.forget();
  }

  get #copies(): 1 | 2 {
    return this.#repetition.isOn ? 2 : 1;
  }

  #repeat(lossRatio: number, nowMs: number): void {
    const { floorKbps } = this.#limits();
    const isAffordable = this.#controller.targetKbps >= REPEAT_FLOORS * floorKbps;
    // A packet that was sent again before the report does not appear as lost.
    const packets = this.#videoPackets.at(nowMs);
    const missed = packets < MISSED_OF_MIN ? 0 : this.#resentPackets.at(nowMs) / packets;
    const ratio = this.#repetition.isOn ? lossRatio : Math.max(lossRatio, missed);
    const isChanged = this.#repetition.update(ratio, { nowMs, isAffordable });
    if (isChanged && this.#repetition.isOn) this.#controller.excuseLoss();
    if (this.#repetition.isChanging(nowMs)) this.#gauge.forgetLoss();
  }

  /** Skips pictures while most of what is on its way passes. */
  #drain(capacityKbps: number, nowMs: number): void {
    const passesMs = 8 * this.#sent.unreportedBytes / Math.max(1, capacityKbps);
    const waitMs = passesMs - this.#roundTrip.value - DRAIN.leaveMs;
    this.#drainsUntilMs = nowMs + Math.min(waitMs, DRAIN.mostMs);
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
