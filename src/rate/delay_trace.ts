/** Length of one bucket. Streams send a few packets in it, even if they have only sound. */
const BUCKET_MS = 100;
/** Window of a comparison. */
const BUCKETS = 80;
/** A larger change from one packet to the next is no queue: the viewer's clock was set, or it was away. */
const JUMP_MS = 3_000;
/** A queue stands if it lasts for so many buckets. */
const STANDING_BUCKETS = 3;

/** How two paths' delays went together. */
export interface TraceComparison {
  /** Buckets in which both paths carried packets. */
  readonly buckets: number;
  /**
   * 1 if both delays rose and fell by the same amounts at the same times, 0 if they had nothing in common, −1 if one
   * rose when the other fell.
   */
  readonly agreement: number;
  /** Standard deviation of the delay that varied more, in milliseconds. Without variation, agreement means nothing. */
  readonly spreadMs: number;
  /** Delay that this path has and the other has not, for as long as a standing queue takes to show, in milliseconds. */
  readonly excessMs: number;
  /** By how much this path's delay exceeded the other's at most, in milliseconds, offsets of the clocks included. */
  readonly differenceMs: number;
}

const NOTHING: TraceComparison = {
  buckets: 0,
  agreement: 0,
  spreadMs: 0,
  excessMs: 0,
  differenceMs: 0,
};

/**
 * The one-way delays of one path in the last seconds, by the time at which packets were sent. Packets of two viewers
 * that enter the same queue at the same time are delayed by the same amount. The difference between the clocks and
 * the lengths of the paths cancels out. Pure: times are arguments.
 */
export class DelayTrace {
  /** Shortest delay of each bucket; NaN if none. */
  readonly #least = new Float64Array(BUCKETS).fill(Number.NaN);
  /** Number of the newest bucket, counted from time zero; −1 if there is none. */
  #newest = -1;

  /** Records a packet that arrived. @param delayMs With the offset of the clocks. */
  add(delayMs: number, sentAtMs: number): void {
    const bucket = Math.floor(sentAtMs / BUCKET_MS);
    if (bucket <= this.#newest - BUCKETS || bucket < 0) return;
    if (Math.abs(delayMs - this.#at(this.#newest)) > JUMP_MS) this.forget();
    const stale = Math.min(bucket - this.#newest, BUCKETS);
    for (let back = 0; back < stale; back++) this.#least[(bucket - back) % BUCKETS] = Number.NaN;
    this.#newest = Math.max(this.#newest, bucket);
    const at = bucket % BUCKETS;
    const least = this.#least[at] ?? Number.NaN;
    if (!(least <= delayMs)) this.#least[at] = delayMs;
  }

  /** Discards everything: the path is another one now. */
  forget(): void {
    this.#least.fill(Number.NaN);
    this.#newest = -1;
  }

  /** Compares the delays of this path with another's while both carried packets. */
  compare(other: DelayTrace): TraceComparison {
    // The newest bucket may lack packets that are not reported yet.
    const newest = Math.min(this.#newest, other.#newest) - 1;
    const oldest = Math.max(0, this.#newest - BUCKETS + 1, other.#newest - BUCKETS + 1);
    let [buckets, own, others, ownSquares, otherSquares, products] = [0, 0, 0, 0, 0, 0];
    let base = Number.POSITIVE_INFINITY;
    let most = Number.NEGATIVE_INFINITY;
    let standing = Number.POSITIVE_INFINITY;
    let [ownZero, otherZero] = [Number.NaN, Number.NaN];
    for (let bucket = oldest; bucket <= newest; bucket++) {
      const [mine, theirs] = [this.#at(bucket), other.#at(bucket)];
      if (Number.isNaN(mine) || Number.isNaN(theirs)) continue;
      // Clocks may differ by years, whose squares would leave no digits for milliseconds.
      if (buckets++ === 0) [ownZero, otherZero] = [mine, theirs];
      const [one, two] = [mine - ownZero, theirs - otherZero];
      own += one;
      others += two;
      ownSquares += one * one;
      otherSquares += two * two;
      products += one * two;
      base = Math.min(base, one - two);
      most = Math.max(most, one - two);
      if (bucket > newest - STANDING_BUCKETS) standing = Math.min(standing, one - two);
    }
    if (buckets === 0) return NOTHING;
    const ownVariance = Math.max(0, ownSquares / buckets - (own / buckets) ** 2);
    const otherVariance = Math.max(0, otherSquares / buckets - (others / buckets) ** 2);
    const covariance = products / buckets - (own / buckets) * (others / buckets);
    const sum = ownVariance + otherVariance;
    return {
      buckets,
      // Lin's concordance without the difference of the means: unlike a correlation, it falls if amplitudes differ.
      agreement: sum === 0 ? 0 : 2 * covariance / sum,
      spreadMs: Math.sqrt(Math.max(ownVariance, otherVariance)),
      excessMs: Number.isFinite(standing) ? standing - base : 0,
      differenceMs: most + ownZero - otherZero,
    };
  }

  #at(bucket: number): number {
    if (bucket > this.#newest || bucket <= this.#newest - BUCKETS || bucket < 0) return Number.NaN;
    return this.#least[bucket % BUCKETS] ?? Number.NaN;
  }
}
