/**
 * Paths that differ by this factor are worth two encodings. Below, a viewer is never seen to be faster: what a path takes
 * is known only up to half more than what is sent.
 */
const APART = 1.6;
/** Who is in the low layer stays there until the factor is below this: else viewers would go to and fro. */
const TOGETHER = 1.25;
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
    const least = slower.layer === "low" ? TOGETHER : APART;
    if (gap >= least && gap > widest) {
      widest = gap;
      from = at;
    }
  }
  return new Set(ranked.slice(from).map(({ viewer }) => viewer));
}
