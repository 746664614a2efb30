/**
 * Ratio between rates from which a second encoding is used. A smaller one would not work: the target is known only up
 * to 1.5 times the sent rate, so no viewer would ever appear fast enough to return.
 */
const APART = 1.6;
/** A viewer leaves the low layer when the ratio falls below this; the hysteresis prevents oscillation. */
const TOGETHER = 1.25;
/** The same for limits in offers, which are exact and constant until the next offer. */
const LIMIT = { apart: 1.25, together: 1.1 } as const;
/** How long a viewer must be too slow, and fast enough again. A path that drains its queue recovers within a second. */
const DOWN_MS = 3_000;
const UP_MS = 4_000;

/** One of two encodings of the same pictures. */
export type Layer = "main" | "low";

/** A viewer to assign to a layer. */
export interface LayerCandidate<Viewer> {
  readonly viewer: Viewer;
  /** The rate that its path can carry, in kbit/s. */
  readonly targetKbps: number;
  /** The limit in its offer, in kbit/s; infinite if there is none. */
  readonly limitKbps: number;
  readonly layer: Layer;
}

/**
 * Selects the viewers of a stream that are so much slower than the others that they should get a second encoding.
 * Pure: times are arguments.
 */
export class LayerChoice<Viewer> {
  /** The time since which a viewer should be in the other layer. */
  readonly #misplaced = new Map<Viewer, number>();

  /** Updates the rates of all paths. @returns Viewers that should change the layer now. */
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
   * Viewers that should move to the low layer at once: their limit is known, and would reduce the rate for the others
   * in the meantime.
   */
  limited(candidates: readonly LayerCandidate<Viewer>[]): Viewer[] {
    const fastest = Math.max(...candidates.map(({ targetKbps }) => targetKbps));
    // An unmeasured path counts as being as fast as the fastest, so that limits still take effect.
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

  /** Forgets a viewer that has left. */
  forget(viewer: Viewer): void {
    this.#misplaced.delete(viewer);
  }
}

/** The viewers below the widest gap in the sorted rates, if it is wide enough. */
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

/** The ratio from which a viewer gets another encoding than faster ones. */
function leastGap({ targetKbps, limitKbps, layer }: LayerCandidate<unknown>): number {
  const isLimit = targetKbps >= limitKbps;
  if (layer === "low") return isLimit ? LIMIT.together : TOGETHER;
  return isLimit ? LIMIT.apart : APART;
}
