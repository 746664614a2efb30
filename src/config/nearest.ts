/** A valid word. */
export interface Candidate {
  /** Compared with the given word. */
  readonly word: string;
  /** Shown as the suggestion. */
  readonly shown: string;
  /** Typing errors added to its distance. Default: 0. */
  readonly handicap?: number;
}

/**
 * Finds the most likely intended candidate, as `shown`; the first of several at the same distance, and `undefined` if
 * none is near.
 *
 * The limit is one typing error (an extra, missing, wrong or transposed letter) for every three letters, at least one
 * and at most three. A word that lacks only the candidate's first or last parts (`bitrate` for `bitrate_kbps`) counts
 * as one error.
 */
export function nearest(word: string, candidates: readonly Candidate[]): string | undefined {
  const given = word.toLowerCase();
  let slipsMax = Math.min(Math.max(1, Math.floor(word.length / 3)), 3);
  let found: string | undefined;
  for (const candidate of candidates) {
    const slips = slipsBetween(given, candidate.word.toLowerCase(), slipsMax) +
      (candidate.handicap ?? 0);
    if (slips > slipsMax) continue;
    found = candidate.shown;
    slipsMax = slips - 1;
  }
  return found;
}

function slipsBetween(given: string, known: string, slipsMax: number): number {
  const distance = editDistance(given, known, slipsMax);
  const isPart = known.startsWith(`${given}_`) || known.endsWith(`_${given}`);
  return isPart ? Math.min(1, distance) : distance;
}

/** Optimal string alignment distance; Infinity if the difference in length exceeds `distanceMax`. */
function editDistance(a: string, b: string, distanceMax: number): number {
  if (Math.abs(a.length - b.length) > distanceMax) return Infinity;
  // Rows of the distance matrix: `row[j]` is the distance of the first i letters of a and the first j of b.
  let beforeLast: number[] = [];
  let last = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    for (let j = 1; j <= b.length; j++) {
      const swap = a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1];
      row.push(Math.min(
        at(row, j - 1) + 1,
        at(last, j) + 1,
        at(last, j - 1) + (a[i - 1] === b[j - 1] ? 0 : 1),
        i > 1 && j > 1 && swap ? at(beforeLast, j - 2) + 1 : Infinity,
      ));
    }
    beforeLast = last;
    last = row;
  }
  return at(last, b.length);
}

function at(row: readonly number[], index: number): number {
  return row[index] ?? Infinity;
}
