import { type BottleneckVerdict, judgeBottleneck } from "./bottleneck_verdict.ts";
import type { TraceComparison } from "./delay_trace.ts";
import {
  levelRates,
  meanKbps,
  type RateGroup,
  type SharedRate,
  SharedRateMember,
} from "./shared_rate.ts";

/** More viewers at once are not compared: their rates are controlled separately. */
const MEMBERS_MAX = 256;
/** Comparisons of one pass, which takes about two milliseconds. */
const COMPARISONS_MAX = 1_000;
const PASS_MS = 500;
const LEVEL_MS = 100;
/** Members of a group with which a viewer is compared. */
const WITNESSES_MAX = 4;
/**
 * What a viewer's shortest delay may hide of a queue, in milliseconds. The first part is noise: pictures of others that
 * one packet waited for and another did not. More than the last is not believed: every controller puts up with so much
 * for other traffic after a few seconds, so a viewer that reports nonsense costs the others that long.
 */
const HIDDEN_MS = { noise: 20, max: 400 } as const;
/** A viewer that left a group stays out of it for so long: longer each time, less after a long stay. */
const APART = { leastMs: 4_000, mostMs: 120_000, forgottenMs: 60_000 } as const;
/** A newcomer counts as a member for so long, and then only if its delays agree. */
const TRIAL_MS = 6_000;

/** What a viewer's path is like at a report. */
export interface SharedPathReport {
  /** Video sent recently, in kbit/s. */
  readonly sentKbps: number;
  /** The shortest delay that this viewer has seen, in milliseconds, with the offset of the clocks. */
  readonly leastDelayMs: number;
}

/** One viewer's part in {@link SharedPaths}. */
export interface SharedPath {
  /** How many viewers share its bottleneck, itself included; 1 if none is known to. */
  viewers(): number;
  /** The rate to begin with: the viewer's share, or `usualKbps` if that is less or nothing is shared. */
  startKbps(usualKbps: number): number;
  /** The first picture is sent now. */
  begin(usualKbps: number, nowMs: number): void;
  /** A packet arrived. @param delayMs Its one-way delay, with the offset of the clocks. */
  arrived(delayMs: number, sentAtMs: number): void;
  /**
   * The arrivals of one report are recorded, and the rate was updated.
   * @returns By how much the empty path's delay is shorter than this viewer has ever seen it, in milliseconds, as
   * others know that share it; 0 if that is unknown.
   */
  reported(report: SharedPathReport, nowMs: number): number;
  /** The viewer moved to another path. */
  moved(): void;
  /** The viewer is gone, and the others get what it used. Idempotent. */
  leave(): void;
}

/**
 * Finds which viewers share a bottleneck, such as one tunnel, and divides it evenly among them. Pure: times are
 * arguments, and work is done while reports are processed.
 *
 * Each viewer's controller keeps its own queue short, so together they use the bottleneck well, but nothing makes them
 * equal: one that starts later takes far more. The server sends all of the streams, and so sees what no single
 * controller can: packets of two viewers that enter one queue at the same time are delayed alike. (RFC 8382 detects
 * shared bottlenecks from summary statistics, because its receivers have no common clock.) Within such a group, the
 * sum of the rates stays with the controllers, and the differences are removed step by step (in the manner of RFC 8699
 * §5): every active viewer moves towards their mean. One that sends much less than it may lends the rest, because the
 * mean is that of the others, up to which it may rise at any time.
 */
export class SharedPaths {
  readonly #changed: (groups: readonly number[]) => void;
  readonly #members = new Set<SharedRateMember>();
  readonly #groups = new Set<RateGroup>();
  #passedAtMs = Number.NEGATIVE_INFINITY;
  #levelledAtMs = Number.NEGATIVE_INFINITY;
  #comparisons = 0;
  /** Number of passes, by which each free viewer comes first once. */
  #passes = 0;

  /** @param options.changed Called with the new {@link SharedPaths.groupSizes}. */
  constructor({ changed = () => {} }: { changed?: (groupSizes: readonly number[]) => void } = {}) {
    this.#changed = changed;
  }

  /** Numbers of viewers that share a bottleneck, for each with more than one. */
  get groupSizes(): number[] {
    return [...this.#groups].map(({ size }) => size);
  }

  /** Adds a viewer. It counts from its first picture on. */
  join(rate: SharedRate): SharedPath {
    const member = new SharedRateMember(rate);
    if (this.#members.size < MEMBERS_MAX) this.#members.add(member);
    const isKnown = () => this.#members.has(member);
    return {
      viewers: () => member.group?.size ?? 1,
      startKbps: (usualKbps) => isKnown() ? this.#startKbps(usualKbps) : usualKbps,
      begin: (usualKbps, nowMs) => {
        if (isKnown()) this.#begin(member, { usualKbps, nowMs });
      },
      arrived: (delayMs, sentAtMs) => member.trace.add(delayMs, sentAtMs),
      reported: ({ sentKbps, leastDelayMs }, nowMs) => {
        member.sentKbps = sentKbps;
        member.reportedAtMs = nowMs;
        member.leastDelayMs = leastDelayMs;
        if (isKnown()) this.#update(nowMs);
        return member.hiddenMs;
      },
      moved: () => {
        member.trace.forget();
        this.#remove(member);
      },
      leave: () => {
        if (!this.#members.delete(member)) return;
        this.#bequeath(member);
        this.#remove(member);
      },
    };
  }

  #startKbps(usualKbps: number): number {
    const crowd = this.#crowd();
    if (crowd === undefined) return usualKbps;
    return Math.min(usualKbps, meanKbps(crowd) * crowd.size / (crowd.size + 1));
  }

  /** Viewers with which a newcomer most probably shares a full path: more than half of all. */
  #crowd(): RateGroup | undefined {
    const begun = new Set([...this.#members].filter(({ hasBegun }) => hasBegun));
    const groups = begun.size === 1 ? [begun] : [...this.#groups];
    return groups.find((group) =>
      2 * group.size > begun.size && [...group].every(({ rate }) => rate.isLimited)
    );
  }

  #begin(
    member: SharedRateMember,
    { usualKbps, nowMs }: { usualKbps: number; nowMs: number },
  ): void {
    const crowd = this.#crowd();
    const kbps = this.#startKbps(usualKbps);
    member.begin(kbps, nowMs);
    if (crowd === undefined) return;
    for (const other of crowd) other.yield(crowd.size / (crowd.size + 1));
    member.rate.startAt(kbps);
    member.trialUntilMs = nowMs + TRIAL_MS;
    this.#add(member, { group: crowd, nowMs });
  }

  #add(member: SharedRateMember, { group, nowMs }: { group: RateGroup; nowMs: number }): void {
    this.#groups.add(group);
    group.add(member);
    // Two that form a group have both joined it; of a larger one, the others keep what they know.
    const joined = group.size === 2 ? [...group] : [member];
    for (const each of joined) {
      each.joinedAtMs = nowMs;
      each.raised = 0;
    }
    for (const each of group) each.group = group;
    if (member.trialUntilMs === undefined) settle(joined);
    this.#changed(this.groupSizes);
  }

  #remove(member: SharedRateMember): void {
    const { group } = member;
    member.trialUntilMs = undefined;
    member.hiddenMs = 0;
    if (group === undefined) return;
    group.delete(member);
    member.group = undefined;
    if (group.size === 1) {
      this.#groups.delete(group);
      for (const last of group) {
        last.group = undefined;
        last.trialUntilMs = undefined;
        last.hiddenMs = 0;
      }
    }
    this.#changed(this.groupSizes);
  }

  #bequeath(member: SharedRateMember): void {
    const others = [...member.group ?? []].filter((other) => other !== member);
    const sumKbps = others.reduce((sum, { averageKbps }) => sum + averageKbps, 0);
    if (sumKbps === 0) return;
    // One on trial was given its rate by the others, whether it used it or not.
    const kbps = member.trialUntilMs === undefined ? member.usedKbps : member.averageKbps;
    for (const other of others) other.inherit(1 + kbps / sumKbps);
  }

  #update(nowMs: number): void {
    const sinceMs = nowMs - this.#levelledAtMs;
    if (sinceMs >= LEVEL_MS) {
      this.#levelledAtMs = nowMs;
      for (const member of this.#members) member.average(sinceMs);
      for (const group of this.#groups) levelRates(group, nowMs);
    }
    if (nowMs - this.#passedAtMs < PASS_MS) return;
    this.#passedAtMs = nowMs;
    this.#comparisons = 0;
    for (const group of [...this.#groups]) this.#review(group, nowMs);
    this.#gather(nowMs);
    this.#merge(nowMs);
  }

  /** Members whose delays do not go with the others' leave. */
  #review(group: RateGroup, nowMs: number): void {
    // The budget may not do for all, and those on trial are let go without an answer.
    const isOnTrial = ({ trialUntilMs }: SharedRateMember) => trialUntilMs !== undefined;
    const rest = [...group].filter((member) => !isOnTrial(member));
    for (const member of [...[...group].filter(isOnTrial), ...rest]) {
      if (member.group !== group) continue;
      const judged = this.#judge(member, { group, nowMs });
      if (judged === UNJUDGED) return;
      const { verdict, hiddenMs } = judged;
      if (verdict === "together" && member.trialUntilMs !== undefined) {
        member.trialUntilMs = undefined;
        settle([member]);
      }
      const isDue = nowMs > (member.trialUntilMs ?? nowMs);
      if (verdict === "apart" || isDue || member.isHeldBack) this.#part(member, { group, nowMs });
      else if (member.trialUntilMs === undefined) member.hiddenMs = hiddenMs;
    }
  }

  #part(member: SharedRateMember, { group, nowMs }: { group: RateGroup; nowMs: number }): void {
    const wasOnTrial = member.trialUntilMs !== undefined;
    const others = [...group].filter((other) => other !== member);
    if (wasOnTrial) this.#bequeath(member);
    this.#remove(member);
    if (wasOnTrial) member.rate.explore();
    const beforeMs = nowMs - member.joinedAtMs > APART.forgottenMs ? 0 : member.apart?.forMs ?? 0;
    const forMs = Math.min(Math.max(APART.leastMs, 2 * beforeMs), APART.mostMs);
    const untilMs = nowMs + forMs;
    const [other] = others;
    member.apart = { from: new WeakRef(group), forMs, untilMs };
    if (others.length > 1 || other === undefined) return;
    // The group of two has ended, and either may be the one that is judged next time.
    member.apart = { from: new WeakRef(other), forMs, untilMs };
    other.apart = { from: new WeakRef(member), forMs, untilMs };
  }

  /** Viewers whose delays agree form groups. */
  #gather(nowMs: number): void {
    const free = [...this.#members].filter(({ hasBegun, group }) =>
      hasBegun && group === undefined
    );
    const first = this.#passes++ % Math.max(1, free.length);
    for (const member of [...free.slice(first), ...free.slice(0, first)]) {
      if (this.#comparisons >= COMPARISONS_MAX) return;
      if (member.group !== undefined) continue;
      const agrees = (group: RateGroup) =>
        this.#judge(member, { group, nowMs }).verdict === "together";
      const group = [...this.#groups].find((group) =>
        !isBarred(member, { group, nowMs }) && agrees(group)
      );
      const other = group !== undefined
        ? undefined
        : free.find((other) =>
          other !== member && other.group === undefined &&
          !isBarred(member, { group: new Set([other]), nowMs }) &&
          !isBarred(other, { group: new Set([member]), nowMs }) && agrees(new Set([other]))
        );
      const joined = group ?? (other && new Set([other]));
      if (joined !== undefined) this.#add(member, { group: joined, nowMs });
    }
  }

  #merge(nowMs: number): void {
    for (const group of [...this.#groups]) {
      const into = [...this.#groups].find((other) =>
        other !== group && other.size >= group.size && this.#agree(group, { other, nowMs })
      );
      if (into === undefined) continue;
      this.#groups.delete(group);
      for (const member of group) this.#add(member, { group: into, nowMs });
    }
  }

  #agree(
    group: RateGroup,
    { other, nowMs }: { other: RateGroup; nowMs: number },
  ): boolean {
    return [...group].slice(0, WITNESSES_MAX)
      .every((member) => this.#judge(member, { group: other, nowMs }).verdict === "together");
  }

  /** Compares a member with others, of whom it may be one. */
  #judge(
    member: SharedRateMember,
    { group, nowMs }: { group: RateGroup; nowMs: number },
  ): { readonly verdict: BottleneckVerdict; readonly hiddenMs: number } {
    if (this.#comparisons >= COMPARISONS_MAX) return UNJUDGED;
    const compared: TraceComparison[] = [];
    const hidden: number[] = [];
    for (const other of group) {
      if (other === member || other.trialUntilMs !== undefined) continue;
      if (compared.length >= WITNESSES_MAX || this.#comparisons >= COMPARISONS_MAX) break;
      this.#comparisons++;
      const comparison = member.trace.compare(other.trace);
      compared.push(comparison);
      if (comparison.buckets === 0 || hasOtherMinimum(other, nowMs)) continue;
      hidden.push(member.leastDelayMs - other.emptyMs - comparison.differenceMs);
    }
    return { verdict: judgeBottleneck(compared), hiddenMs: hiddenMsOf(hidden) };
  }
}

const UNJUDGED = { verdict: "unknown", hiddenMs: 0 } as const;

/** Whether a viewer was parted so recently that its shortest delay may be that of another path. */
function hasOtherMinimum({ apart }: SharedRateMember, nowMs: number): boolean {
  return apart !== undefined && nowMs < apart.untilMs + APART.forgottenMs;
}

/** What any of the others knows to be hidden: it may be the only one that was there before the queue. */
function hiddenMsOf(claims: readonly number[]): number {
  const mostMs = Math.max(0, ...claims);
  return Math.min(Math.max(0, mostMs - HIDDEN_MS.noise), HIDDEN_MS.max);
}

function settle(members: readonly SharedRateMember[]): void {
  for (const { rate } of members) rate.settle();
}

/** Whether the member left the group so recently that it does not come back to it. */
function isBarred(
  { apart }: SharedRateMember,
  { group, nowMs }: { group: RateGroup; nowMs: number },
): boolean {
  if (apart === undefined || nowMs >= apart.untilMs) return false;
  const from = apart.from.deref();
  return from === group ||
    (from instanceof SharedRateMember && group.size === 1 && group.has(from));
}
