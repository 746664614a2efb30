import type { Live } from "../base/live.ts";
import type { PathEvidence } from "./path_gauge.ts";

/** Between which rates a controller chooses, in kbit/s of video. */
export interface RateLimits {
  readonly floorKbps: number;
  readonly ceilingKbps: number;
}

/** What a controller hears of. */
export interface RateEvidence extends PathEvidence {
  /** Video that was sent of late, in kbit/s. */
  readonly sentKbps: number;
}

/** A queue shorter than this is as good as none: a picture at the rate of the path takes as long to pass. */
const QUEUE_LOW_MS = 25;
/** A queue longer than this is too much. */
const QUEUE_HIGH_MS = 60;
/** A queue of so many milliseconds is sent nothing to; one of a quarter as many, three quarters of what the path carries. */
const DRAIN_MS = 800;
const DRAIN_SHARE_MIN = 0.4;
/** The part of what the path was seen to carry that is sent afterwards. */
const KEEP_SHARE = 0.94;
/** A queue that has not become shorter in this time, though less is sent, is that of somebody else. */
const FOREIGN_MS = 3_000;
const FOREIGN_QUEUE_MS_MAX = 400;

/** Up to here, lost packets are no sign of too much; above the second they are. */
const LOSS_LOW = 0.02;
const LOSS_HIGH = 0.1;
const LOSS_INTERVAL_MS = 500;

/** Doubling in a second, until something stands in the way for the first time: that shows after some 0.4 s. */
const STARTUP_GROWTH_PER_S = 2;
/** Well below the rate at which the path was last seen to be full. */
const BELOW_GROWTH_PER_S = 1.6;
/** Around it, as a share of the ceiling in a second: the same for all who share a path, so that they become equal. */
const NEAR_STEP_PER_S = 0.006;
const NEAR = { from: 0.85, to: 1.1 } as const;
/** Above it: carefully at first, since limits of tunnels let a second's worth pass before they hold, then boldly. */
const ABOVE_GROWTH_PER_S = { careful: 1.1, bold: 1.4 } as const;
const BOLD_FROM = 1.5;
/** A rate that nothing was sent at is not known to pass: the target stays within this factor of what was sent. */
const UNPROVEN_FACTOR = 1.5;
const UNPROVEN_KBPS = 200;
/** Longest time that one piece of evidence stands for, in milliseconds. */
const STEP_MS_MAX = 250;

type Phase = "startup" | "steady" | "draining";

/**
 * Chooses the rate of one viewer's video from what its path does: pure, times are arguments.
 *
 * A queue that stands is drained at once, by sending less than the path carries until it is gone; then the rate stays a
 * little below what the path was seen to carry, and feels its way up: slowly around that rate, quickly away from it.
 */
export class RateController {
  readonly #limits: Live<RateLimits>;
  #targetKbps: number;
  #phase: Phase = "startup";
  #updatedAtMs: number;
  /** What the path was last seen to carry when it was full. */
  #capacityKbps: number | undefined;
  /** The queue when draining began, and when. */
  #drain = { sinceMs: 0, queueMs: 0 };
  /** A queue that others keep up. */
  #foreignMs = 0;
  #lossCutAtMs = Number.NEGATIVE_INFINITY;

  constructor({ limits, startKbps, nowMs }: {
    limits: Live<RateLimits>;
    startKbps: number;
    nowMs: number;
  }) {
    this.#limits = limits;
    this.#targetKbps = startKbps;
    this.#updatedAtMs = nowMs;
  }

  /** The rate that the encoder may use, in kbit/s. */
  get targetKbps(): number {
    const { floorKbps, ceilingKbps } = this.#limits();
    return Math.min(Math.max(this.#targetKbps, floorKbps), ceilingKbps);
  }

  /** Whether less is sent than the path carries, to empty it. */
  get isDraining(): boolean {
    return this.#phase === "draining";
  }

  /** Takes what is known now. */
  update(evidence: RateEvidence, nowMs: number): void {
    const stepMs = Math.min(nowMs - this.#updatedAtMs, STEP_MS_MAX);
    this.#updatedAtMs = nowMs;
    this.#targetKbps = this.targetKbps;
    const queueMs = Math.max(0, evidence.queueMs - this.#foreignMs);
    this.#foreignMs = Math.min(this.#foreignMs, evidence.queueMs);
    if (this.#phase === "draining") return this.#keepDraining(queueMs, evidence, nowMs);
    if (queueMs > QUEUE_HIGH_MS) return this.#beginDraining(queueMs, evidence, nowMs);
    if (evidence.lossRatio > LOSS_HIGH) return this.#cutForLoss(evidence, nowMs);
    if (queueMs < QUEUE_LOW_MS && evidence.lossRatio < LOSS_LOW) {
      this.#grow(evidence, stepMs);
    }
  }

  #beginDraining(queueMs: number, evidence: RateEvidence, nowMs: number): void {
    this.#phase = "draining";
    this.#drain = { sinceMs: nowMs, queueMs };
    this.#capacityKbps = Math.min(evidence.deliveredKbps, this.#targetKbps);
    this.#drainAt(queueMs);
  }

  #keepDraining(queueMs: number, evidence: RateEvidence, nowMs: number): void {
    if (queueMs < QUEUE_LOW_MS) {
      this.#phase = "steady";
      this.#targetKbps = KEEP_SHARE * (this.#capacityKbps ?? this.#targetKbps);
      return;
    }
    // While packets queue, what arrives is what the path carries.
    if (queueMs > QUEUE_HIGH_MS) this.#capacityKbps = evidence.deliveredKbps;
    this.#drainAt(queueMs);
    const { sinceMs, queueMs: beganAt } = this.#drain;
    if (nowMs - sinceMs < FOREIGN_MS) return;
    if (queueMs > beganAt / 2) {
      this.#foreignMs = Math.min(this.#foreignMs + queueMs, FOREIGN_QUEUE_MS_MAX);
    }
    this.#drain = { sinceMs: nowMs, queueMs };
  }

  #drainAt(queueMs: number): void {
    const share = Math.max(DRAIN_SHARE_MIN, KEEP_SHARE - queueMs / DRAIN_MS);
    this.#targetKbps = share * (this.#capacityKbps ?? this.#targetKbps);
  }

  #cutForLoss({ lossRatio }: RateEvidence, nowMs: number): void {
    if (nowMs - this.#lossCutAtMs < LOSS_INTERVAL_MS) return;
    this.#lossCutAtMs = nowMs;
    this.#phase = "steady";
    this.#capacityKbps = this.#targetKbps;
    this.#targetKbps *= 1 - lossRatio / 2;
  }

  #grow({ sentKbps }: RateEvidence, stepMs: number): void {
    const most = UNPROVEN_FACTOR * sentKbps + UNPROVEN_KBPS;
    if (this.#targetKbps >= most) return;
    this.#targetKbps = Math.min(this.#grown(stepMs / 1000), most);
  }

  #grown(seconds: number): number {
    const target = this.#targetKbps;
    if (this.#phase === "startup") return target * STARTUP_GROWTH_PER_S ** seconds;
    const share = target / (this.#capacityKbps ?? target);
    if (share < NEAR.from) return target * BELOW_GROWTH_PER_S ** seconds;
    if (share <= NEAR.to) return target + NEAR_STEP_PER_S * this.#limits().ceilingKbps * seconds;
    const { careful, bold } = ABOVE_GROWTH_PER_S;
    return target * (share < BOLD_FROM ? careful : bold) ** seconds;
  }
}
