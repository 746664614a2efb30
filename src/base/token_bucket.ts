/** How fast something may happen. */
export interface TokenRate {
  /** In the long run; more than 0. */
  readonly perSecond: number;
  /** At one moment, after a rest. Default: `perSecond`. */
  readonly burst?: number;
}

/** Times that differ by less than this, in milliseconds, are the same: sums of fractions miss by far less. */
const ROUNDING_MS = 0.001;

/**
 * The one rate limiter of this program. A full bucket has `burst` tokens, and `perSecond` of them come back each second.
 * Over any time of `s` seconds no more than `burst + perSecond * s` tokens are taken. Pure: times are arguments, in
 * milliseconds of a monotonic clock; one that goes back brings nothing back.
 *
 * @example Three at once, then one every five seconds
 * ```ts
 * const bucket = new TokenBucket({ perSecond: 1 / 5, burst: 3 });
 * bucket.take(0) && bucket.take(0) && bucket.take(0); // true
 * bucket.take(0); // false
 * bucket.waitMs(0); // 5000
 * bucket.take(5_000); // true
 * ```
 */
export class TokenBucket {
  readonly #tokenMs: number;
  readonly #burst: number;
  /** When every token is back: all that the bucket needs to remember. */
  #fullAtMs = Number.NEGATIVE_INFINITY;

  /** Full. @throws {RangeError} When a number of the limit is not positive. */
  constructor({ perSecond, burst = perSecond }: TokenRate) {
    if (!(perSecond > 0 && burst > 0)) {
      throw new RangeError(`Cannot limit to ${perSecond} a second and ${burst} at once`);
    }
    this.#tokenMs = 1000 / perSecond;
    this.#burst = burst;
  }

  /**
   * How long until so many tokens can be taken, in whole milliseconds: 0 when they can be now, and infinite for more than
   * the bucket holds.
   */
  waitMs(nowMs: number, count = 1): number {
    if (count > this.#burst) return Number.POSITIVE_INFINITY;
    const missingMs = this.#missingMs(nowMs) - (this.#burst - count) * this.#tokenMs;
    return Math.max(0, Math.ceil(missingMs - ROUNDING_MS));
  }

  /** Takes so many tokens, or none. @returns Whether there were as many. */
  take(nowMs: number, count = 1): boolean {
    if (this.waitMs(nowMs, count) > 0) return false;
    this.#fullAtMs = Math.max(nowMs, this.#fullAtMs) + count * this.#tokenMs;
    return true;
  }

  /** Puts tokens back whose use came to nothing. */
  giveBack(count = 1): void {
    this.#fullAtMs -= count * this.#tokenMs;
  }

  /** Whether all tokens are back, so that a new bucket would do as well. */
  isFull(nowMs: number): boolean {
    return this.#missingMs(nowMs) <= ROUNDING_MS;
  }

  /** How long until all tokens are back. */
  #missingMs(nowMs: number): number {
    return Math.max(0, this.#fullAtMs - nowMs);
  }
}

/**
 * Takes one token from each bucket, or none from any.
 * @returns How long to wait for that, in milliseconds; 0 when they were taken.
 */
export function takeFromAll(buckets: readonly TokenBucket[], nowMs: number): number {
  const waitMs = Math.max(0, ...buckets.map((bucket) => bucket.waitMs(nowMs)));
  if (waitMs === 0) { for (const bucket of buckets) bucket.take(nowMs); }
  return waitMs;
}
