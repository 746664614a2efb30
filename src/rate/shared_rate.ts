import { DelayTrace } from "./delay_trace.ts";

/** Time over which rates are averaged, so that a short decrease of one viewer is not passed on. */
const AVERAGE_MS = 1_000;
/** Part of a difference that is removed in each step. */
const LEVEL_SHARE = 0.2;
const FACTOR_MAX = 1.5;
/** What is kept of the sum of raises in each step: half after three seconds. */
const RAISED_KEPT = 0.977;
/** One that comes with almost nothing is raised by the mean, once. */
const RAISED_MAX = 1;
/** A viewer that sends less of its rate than this lends the rest. */
const ACTIVE_SHARE = 0.7;
/** Viewers report several times a second while packets arrive. */
const SILENT_MS = 2_000;
/** After its first picture, a viewer counts as one that uses its rate. */
const WARM_UP_MS = 2_000;

/** The rate of one viewer, as a member of a group changes it. */
export interface SharedRate {
  readonly targetKbps: number;
  /** Whether the path's capacity is known and keeps the rate below the maximum. */
  readonly isLimited: boolean;
  /** Whether the rate is below the capacity, to drain the queue. */
  readonly isDraining: boolean;
  /** Multiplies the rate and the capacity that it follows. */
  scale(factor: number): void;
  /** Multiplies the rate, which may grow back. */
  yield(factor: number): void;
  /** Begins with this rate, on a path that is full. */
  startAt(kbps: number): void;
  /** Others that share the path have found that it is full. */
  settle(): void;
  /** The path is another one than that which others found to be full. */
  explore(): void;
}

/** Viewers that share a bottleneck. */
export type RateGroup = Set<SharedRateMember>;

/** The rate of one viewer and what is known of its path. Pure: times are arguments. */
export class SharedRateMember {
  readonly rate: SharedRate;
  readonly trace = new DelayTrace();
  group: RateGroup | undefined;
  joinedAtMs = 0;
  /** Until when it is a member without proof. */
  trialUntilMs: number | undefined;
  /** The group that it left last, how long it stays out of it, and until when. */
  apart:
    | {
      /** The group, or the other of two. */
      readonly from: WeakRef<RateGroup | SharedRateMember>;
      readonly forMs: number;
      readonly untilMs: number;
    }
    | undefined;
  /** Video sent recently, in kbit/s, as of the last report. */
  sentKbps = 0;
  reportedAtMs = Number.NEGATIVE_INFINITY;
  /** The shortest delay that it has seen, with the offset of the clocks. */
  leastDelayMs = 0;
  /** By how much the empty path's delay is shorter, as others know. */
  hiddenMs = 0;
  /** By how much the others have raised its rate recently, as a multiple of their mean. */
  raised = 0;
  #beganAtMs = Number.NEGATIVE_INFINITY;
  /** Average of the rate, in kbit/s; `undefined` before the first picture. */
  #averageKbps: number | undefined;
  /** Factor by which the rate rises once it does not decrease. */
  #legacy = 1;

  constructor(rate: SharedRate) {
    this.rate = rate;
  }

  /** Whether its first picture was sent. */
  get hasBegun(): boolean {
    return this.#averageKbps !== undefined;
  }

  get averageKbps(): number {
    return this.#averageKbps ?? 0;
  }

  /** The delay of the empty path, with the offset of the clocks. */
  get emptyMs(): number {
    return this.leastDelayMs - this.hiddenMs;
  }

  /**
   * Whether it gets less and less although the others give way: something else limits it, such as loss on its own
   * network, and what they give is lost.
   */
  get isHeldBack(): boolean {
    return this.raised > RAISED_MAX;
  }

  /** What it used of the path, in kbit/s. */
  get usedKbps(): number {
    return Math.min(this.averageKbps, this.sentKbps);
  }

  begin(kbps: number, nowMs: number): void {
    this.#averageKbps = kbps;
    this.#beganAtMs = nowMs;
  }

  /** Whether it uses its rate; otherwise it lends. */
  isActive(nowMs: number): boolean {
    if (nowMs - this.#beganAtMs < WARM_UP_MS) return true;
    // One that is sent nothing reports nothing.
    return nowMs - this.reportedAtMs < SILENT_MS &&
      this.sentKbps >= ACTIVE_SHARE * this.averageKbps;
  }

  /** Makes room for a newcomer. */
  yield(factor: number): void {
    this.rate.yield(factor);
    this.#averageKbps = this.averageKbps * factor;
  }

  /** Gets a part of what a viewer used that left, as a factor of its own rate. */
  inherit(factor: number): void {
    this.#legacy = Math.min(FACTOR_MAX, this.#legacy * factor);
  }

  /** Follows the rate. */
  average(stepMs: number): void {
    if (this.#averageKbps === undefined) return;
    if (!this.rate.isDraining) {
      this.#scale(this.#legacy);
      this.#legacy = 1;
    }
    const share = Math.min(stepMs, AVERAGE_MS) / AVERAGE_MS;
    this.#averageKbps += (this.rate.targetKbps - this.#averageKbps) * share;
  }

  /** Moves towards a rate by one step. */
  approach(kbps: number): void {
    const wanted = 1 + LEVEL_SHARE * (kbps / Math.max(1, this.averageKbps) - 1);
    const factor = Math.min(wanted, FACTOR_MAX);
    this.raised = RAISED_KEPT * this.raised + (factor - 1) * this.averageKbps / Math.max(1, kbps);
    this.#scale(factor);
  }

  #scale(factor: number): void {
    this.rate.scale(factor);
    this.#averageKbps = this.averageKbps * factor;
  }
}

/** Moves all members towards the mean of those that use their rate. The sum of these stays the same. */
export function levelRates(group: RateGroup, nowMs: number): void {
  const active = new Set([...group].filter((member) => member.isActive(nowMs)));
  if (active.size === 0) return;
  const mean = meanKbps(active);
  for (const member of group) {
    if (active.has(member) || member.averageKbps > mean) member.approach(mean);
  }
}

/** The mean of the members' rates, in kbit/s. */
export function meanKbps(members: ReadonlySet<SharedRateMember>): number {
  return [...members].reduce((sum, { averageKbps }) => sum + averageKbps, 0) / members.size;
}
