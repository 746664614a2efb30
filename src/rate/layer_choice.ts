/**
 * Paths that differ by this factor are worth two encodings. Below, a viewer is never seen to be faster: what a path takes
 * is known only up to half more than what is sent.
 */
const APART = 1.6;
/** Who is in the low layer stays there until the factor is below this: else viewers would go to and fro. */
const TOGETHER = 1.25;
/** The same for what a viewer's offer says: it is known, and stays as it is until another offer. */
const LIMIT = { apart: 1.25, together: 1.1 } as const;
/** How long a viewer must be too slow, and fast enough again: a path that is drained recovers within a second. */
const DOWN_MS = 3_000;
const UP_MS = 4_000;

/** One of two encodings of the same pictures. */
export type Layer = "main" | "low";

/** A viewer to choose for. */
export interface LayerCandidate<Viewer> {
  readonly viewer: Viewer;
  /** What its path takes, in kbit/s. */
  readonly targetKbps: number;
  /** What its offer limits it to, in kbit/s; infinite where it does not. */
  readonly limitKbps: number;
  readonly layer: Layer;
}

/**
 * Says which viewers of a stream are so much slower than the others that they should have an encoding of their own. Pure:
 * times are arguments.
 */
export class LayerChoice<Viewer> {
  /** Since when a viewer should be in the other layer. */
  readonly #misplaced = new Map<Viewer, number>();

  /** Takes what all paths carry now. @returns Who should change over now. */
  update(candidates: readonly LayerCandidate<Viewer>[], nowMs: number): Viewer[] {
    const low = tooSlow(candidates);
    const changes: Viewer[] = [];
    for (const { viewer, layer } of candidates) {
      const wanted: Layer = low.has(viewer) ? "low" : "main";
      if (wanted === layer) {
        this.#misplaced.delete(viewer);
        continue;
      }
      const sinceMs = this.#misplaced.get(viewer) ?? nowMs;
      this.#misplaced.set(viewer, sinceMs);
      if (nowMs - sinceMs >= (wanted === "low" ? DOWN_MS : UP_MS)) changes.push(viewer);
    }
    return changes;
  }

  /**
   * Those who should go down at once: what they limit themselves to is known, and a moment among the others would cost
   * those their rate.
   */
  limited(candidates: readonly LayerCandidate<Viewer>[]): Viewer[] {
    const fastest = Math.max(...candidates.map(({ targetKbps }) => targetKbps));
    // A path that is not known yet does not hide a limit, which says no more of who is as fast as the fastest.
    const known = candidates.map((each) =>
      each.limitKbps === Number.POSITIVE_INFINITY
        ? each
        : { ...each, targetKbps: Math.min(each.limitKbps, fastest) }
    );
    const low = tooSlow(known);
    return known.filter(({ viewer, layer, targetKbps, limitKbps }) =>
      layer === "main" && targetKbps === limitKbps && low.has(viewer)
    ).map(({ viewer }) => viewer);
  }

  /** A viewer has left. */
  forget(viewer: Viewer): void {
    this.#misplaced.delete(viewer);
  }
}

/** Those below the widest gap between two neighbours, if it is wide enough. */
function tooSlow<Viewer>(candidates: readonly LayerCandidate<Viewer>[]): Set<Viewer> {
  const ranked = candidates.toSorted((one, other) => other.targetKbps - one.targetKbps);
  let widest = 0;
  let from = ranked.length;
  for (const [at, slower] of ranked.entries()) {
    const faster = ranked[at - 1];
    if (faster === undefined) continue;
    const gap = faster.targetKbps / slower.targetKbps;
    if (gap >= leastGap(slower) && gap > widest) {
      widest = gap;
      from = at;
    }
  }
  return new Set(ranked.slice(from).map(({ viewer }) => viewer));
}

/** The factor from which a viewer is worth another encoding than those who are faster. */
function leastGap({ targetKbps, limitKbps, layer }: LayerCandidate<unknown>): number {
  const isLimit = targetKbps >= limitKbps;
  if (layer === "low") return isLimit ? LIMIT.together : TOGETHER;
  return isLimit ? LIMIT.apart : APART;
}
