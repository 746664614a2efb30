import { GAPS_MAX, GAPS_TOLD_MAX, TSNS_AHEAD_MAX } from "./limits.ts";
import { isTsnAfter, tsnDistance, tsnPlus } from "./serial.ts";

/** First and last TSN of a received range. */
type Range = [first: number, last: number];

/** The set of received TSNs: all up to one, and some ranges after it (RFC 9260 §6.2), with limited size. */
export class ReceivedTsns {
  #cumulative: number;
  /** Sorted, not adjacent to each other or to the cumulative TSN. */
  readonly #ranges: Range[] = [];

  /** @param initialTsn The first expected TSN. */
  constructor(initialTsn: number) {
    this.#cumulative = tsnPlus(initialTsn, -1);
  }

  /** All TSNs up to this one were received. */
  get cumulative(): number {
    return this.#cumulative;
  }

  /** Whether there are gaps. */
  get hasGaps(): boolean {
    return this.#ranges.length > 0;
  }

  /** The first ranges in the form of a SACK: offsets from the cumulative TSN. */
  get gaps(): (readonly [start: number, end: number])[] {
    return this.#ranges.slice(0, GAPS_TOLD_MAX).map(([first, last]) =>
      [tsnDistance(first, this.#cumulative), tsnDistance(last, this.#cumulative)] as const
    );
  }

  /** Classifies a TSN: `new`, `duplicate`, or `far` if it cannot be recorded now. */
  classify(tsn: number): "new" | "duplicate" | "far" {
    if (!isTsnAfter(tsn, this.#cumulative)) return "duplicate";
    if (tsnDistance(tsn, this.#cumulative) > TSNS_AHEAD_MAX) return "far";
    const at = this.#indexAfter(tsn);
    const before = this.#ranges[at - 1];
    if (before !== undefined && !isTsnAfter(tsn, before[1])) return "duplicate";
    return this.#ranges.length < GAPS_MAX || this.#touches(tsn, at) ? "new" : "far";
  }

  /** Records a TSN that is `new`. */
  add(tsn: number): void {
    if (tsn === tsnPlus(this.#cumulative, 1)) {
      this.#cumulative = tsn;
      this.#swallow();
      return;
    }
    const at = this.#indexAfter(tsn);
    const [before, after] = [this.#ranges[at - 1], this.#ranges[at]];
    const joinsBefore = before !== undefined && tsnPlus(before[1], 1) === tsn;
    const joinsAfter = after !== undefined && tsnPlus(tsn, 1) === after[0];
    if (joinsBefore && joinsAfter) {
      before[1] = after[1];
      this.#ranges.splice(at, 1);
    } else if (joinsBefore) before[1] = tsn;
    else if (joinsAfter) after[0] = tsn;
    else this.#ranges.splice(at, 0, [tsn, tsn]);
  }

  /** Counts everything up to a TSN, which must be after the cumulative one, as received. */
  skipTo(tsn: number): void {
    this.#cumulative = tsn;
    this.#swallow();
  }

  /** Merges ranges that the cumulative TSN has reached. */
  #swallow(): void {
    let count = 0;
    for (const [first, last] of this.#ranges) {
      if (isTsnAfter(first, tsnPlus(this.#cumulative, 1))) break;
      if (isTsnAfter(last, this.#cumulative)) this.#cumulative = last;
      count++;
    }
    this.#ranges.splice(0, count);
  }

  #touches(tsn: number, at: number): boolean {
    return tsn === tsnPlus(this.#cumulative, 1) || this.#ranges[at]?.[0] === tsnPlus(tsn, 1) ||
      this.#ranges[at - 1]?.[1] === tsnPlus(tsn, -1);
  }

  /** Index of the first range that begins after a TSN. */
  #indexAfter(tsn: number): number {
    const distance = tsnDistance(tsn, this.#cumulative);
    let [low, high] = [0, this.#ranges.length];
    while (low < high) {
      const middle = (low + high) >>> 1;
      const first = this.#ranges[middle]?.[0] ?? 0;
      if (tsnDistance(first, this.#cumulative) > distance) high = middle;
      else low = middle + 1;
    }
    return low;
  }
}
