import type { Live } from "../base/live.ts";
import type { PathEvidence } from "./path_gauge.ts";

/** Range of a controller's target, in kbit/s of video. */
export interface RateLimits {
  readonly floorKbps: number;
  readonly ceilingKbps: number;
}

/** Input of a controller. */
export interface RateEvidence extends PathEvidence {
  /** Video sent recently, in kbit/s. */
  readonly sentKbps: number;
  /** Whether packets are sent twice, so that a packet counts as lost if both copies are. Default: false. */
  readonly isRepeated?: boolean;
}

/** A shorter queue counts as none: one picture at the path's rate takes as long to transmit. */
const QUEUE_LOW_MS = 25;
/** A longer queue has to be drained. */
const QUEUE_HIGH_MS = 60;
/**
 * With a queue of this many milliseconds, nothing is sent; with a quarter of it, three quarters of the path's
 * capacity.
 */
const DRAIN_MS = 800;
const DRAIN_SHARE_MIN = 0.4;
/** Fraction of the measured capacity to use afterwards. */
const KEEP_SHARE = 0.94;
/** A queue that has not shrunk in this time, although less is sent, is due to other traffic. */
const FOREIGN_MS = 3_000;
const FOREIGN_QUEUE_MS_MAX = 400;

/** Loss up to the first is no sign of congestion; above the second it is. */
const ONCE = { lossLow: 0.02, lossHigh: 0.1 } as const;
/** The same where packets are sent twice, so that both copies have to get lost: one in seven, and one in five. */
const REPEATED = { lossLow: 0.02, lossHigh: 0.04 } as const;
const LOSS_INTERVAL_MS = 500;

/** Doubles every second until the first limit is found, which takes about 0.4 s to show. */
const STARTUP_GROWTH_PER_S = 2;
/** Growth well below the rate at which the path was last full. */
const BELOW_GROWTH_PER_S = 1.6;
/**
 * Growth near that rate, as a fraction of the maximum per second: the same for all viewers on a shared path, so that
 * their rates converge.
 */
const NEAR_STEP_PER_S = 0.006;
const NEAR = { from: 0.85, to: 1.1 } as const;
/**
 * Growth above it: slow at first, because limits of tunnels let a second's worth pass before they take effect, then
 * fast.
 */
const ABOVE_GROWTH_PER_S = { careful: 1.1, bold: 1.4 } as const;
const BOLD_FROM = 1.5;
/** A rate that was never sent is untested: the target stays within this factor of the sent rate. */
const UNPROVEN_FACTOR = 1.5;
const UNPROVEN_KBPS = 200;
/** Maximum time that one measurement stands for, in milliseconds. */
const STEP_MS_MAX = 250;

type Phase = "startup" | "steady" | "draining";

/**
 * Chooses the rate of one viewer's video from the state of its path. Pure: times are arguments.
 *
 * A standing queue is drained at once, by sending less than the path's capacity until it is gone. Then the rate stays
 * a little below the measured capacity and probes upwards: slowly near that rate, quickly away from it.
 */
export class RateController {
  readonly #limits: Live<RateLimits>;
  #targetKbps: number;
  #phase: Phase = "startup";
  #updatedAtMs: number;
  /** Capacity of the path when it was last full. */
  #capacityKbps: number | undefined;
  /** Start of draining, and the queue at that time. */
  #drain = { sinceMs: 0, queueMs: 0 };
  /** Queue that is due to other traffic. */
  #foreignMs = 0;
  /** What held before a queue grew suddenly. */
  #before: {
    readonly targetKbps: number;
    readonly phase: Phase;
    readonly capacityKbps: number | undefined;
  } | undefined;
  #lossCutAtMs = Number.NEGATIVE_INFINITY;
  #drainedAtMs = Number.NEGATIVE_INFINITY;

  constructor({ limits, startKbps, nowMs }: {
    limits: Live<RateLimits>;
    startKbps: number;
    nowMs: number;
  }) {
    this.#limits = limits;
    this.#targetKbps = startKbps;
    this.#updatedAtMs = nowMs;
  }

  /** The target rate of the encoder, in kbit/s. */
  get targetKbps(): number {
    const { floorKbps, ceilingKbps } = this.#limits();
    return Math.min(Math.max(this.#targetKbps, floorKbps), ceilingKbps);
  }

  /** Whether the capacity of the path is known, and keeps the rate below the maximum. */
  get isLimited(): boolean {
    return this.#capacityKbps !== undefined && this.#targetKbps < this.#limits().ceilingKbps;
  }

  /** Whether the rate is below the capacity, to drain the queue. */
  get isDraining(): boolean {
    return this.#phase === "draining";
  }

  /** Updates the target from new measurements. */
  update(evidence: RateEvidence, nowMs: number): void {
    const stepMs = Math.min(nowMs - this.#updatedAtMs, STEP_MS_MAX);
    this.#updatedAtMs = nowMs;
    this.#targetKbps = this.targetKbps;
    const queueMs = Math.max(0, evidence.queueMs - this.#foreignMs);
    this.#foreignMs = Math.min(this.#foreignMs, evidence.queueMs);
    if (evidence.sudden === "refuted") this.#takeBack();
    if (evidence.sudden === "begins" && this.#phase !== "draining") this.#remember();
    if (this.#phase === "draining") return this.#keepDraining(queueMs, evidence, nowMs);
    if (queueMs > QUEUE_HIGH_MS) return this.#beginDraining(queueMs, evidence, nowMs);
    const { lossLow, lossHigh } = evidence.isRepeated ? REPEATED : ONCE;
    if (evidence.lossRatio > lossHigh) return this.#cutForLoss(evidence, nowMs);
    if (queueMs < QUEUE_LOW_MS && evidence.lossRatio < lossLow) {
      this.#grow(evidence, stepMs);
    }
  }

  #remember(): void {
    this.#before = {
      targetKbps: this.#targetKbps,
      phase: this.#phase,
      capacityKbps: this.#capacityKbps,
    };
  }

  /** The queue that seemed to grow suddenly was none: continues as before it. */
  #takeBack(): void {
    if (this.#before === undefined) return;
    this.#targetKbps = this.#before.targetKbps;
    this.#phase = this.#before.phase;
    this.#capacityKbps = this.#before.capacityKbps;
    this.#before = undefined;
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
      this.#drainedAtMs = this.#updatedAtMs;
      this.#targetKbps = KEEP_SHARE * (this.#capacityKbps ?? this.#targetKbps);
      return;
    }
    // While packets queue, the received rate is the path's capacity.
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

  /**
   * Multiplies the rate and the capacity that it follows: viewers that share a path divide it in another way, and all
   * together still send the same.
   */
  scale(factor: number): void {
    this.#targetKbps *= factor;
    if (this.#capacityKbps !== undefined) this.#capacityKbps *= factor;
    if (this.#before === undefined) return;
    const { targetKbps, phase, capacityKbps } = this.#before;
    this.#before = {
      targetKbps: targetKbps * factor,
      phase,
      capacityKbps: capacityKbps === undefined ? undefined : capacityKbps * factor,
    };
  }

  /**
   * Multiplies the rate only: makes room for a viewer that probably comes to the same path, and grows back if it does
   * not.
   */
  yield(factor: number): void {
    this.#targetKbps *= factor;
  }

  /** Starts at this rate, as one that is as near to the capacity as a path gets. */
  startAt(kbps: number): void {
    this.#targetKbps = kbps;
    this.settle();
  }

  /**
   * The path is full, as others that share it have found: grows slowly from now on. Their queue is no other traffic's.
   */
  settle(): void {
    this.#foreignMs = 0;
    if (this.#phase !== "startup") return;
    this.#phase = "steady";
    this.#capacityKbps = this.#targetKbps / KEEP_SHARE;
  }

  /** The path is not the one that others found to be full: looks for its capacity from the present rate on. */
  explore(): void {
    if (this.#phase === "steady") this.#phase = "startup";
  }

  /** Packets are sent twice from now on: the rate at which many got lost is no limit any more. */
  excuseLoss(): void {
    if (this.#phase === "draining" || this.#lossCutAtMs < this.#drainedAtMs) return;
    this.#capacityKbps = this.#limits().ceilingKbps;
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
