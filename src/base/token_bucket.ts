/** A rate limit. */
export interface TokenRate {
  /** Average rate; more than 0. */
  readonly perSecond: number;
  /** Largest burst after a pause. Default: `perSecond`. */
  readonly burst?: number;
}

/** Tolerance for times, in milliseconds: far above the rounding errors of summed fractions. */
const ROUNDING_MS = 0.001;

/**
 * The rate limiter of this program. A full bucket has `burst` tokens, and `perSecond` tokens are added each second. In
 * any period of `s` seconds at most `burst + perSecond * s` tokens can be taken. Pure: times are arguments, in
 * milliseconds of a monotonic clock; a time in the past adds no tokens.
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
  /** Time at which the bucket is full again; its only state. */
  #fullAtMs = Number.NEGATIVE_INFINITY;

  /** Makes a full bucket. @throws {RangeError} If a number of the limit is not positive. */
  constructor({ perSecond, burst = perSecond }: TokenRate) {
    if (!(perSecond > 0 && burst > 0)) {
      throw new RangeError(`Cannot limit to ${perSecond} a second and ${burst} at once`);
    }
    this.#tokenMs = 1000 / perSecond;
    this.#burst = burst;
  }

  /**
   * Time until `count` tokens can be taken, in whole milliseconds: 0 if they can be taken now, Infinity if the bucket
   * is too small.
   */
  waitMs(nowMs: number, count = 1): number {
    if (count > this.#burst) return Number.POSITIVE_INFINITY;
    const missingMs = this.#missingMs(nowMs) - (this.#burst - count) * this.#tokenMs;
    return Math.max(0, Math.ceil(missingMs - ROUNDING_MS));
  }

  /** Takes all of the tokens, or none. @returns Whether they were taken. */
  take(nowMs: number, count = 1): boolean {
    if (this.waitMs(nowMs, count) > 0) return false;
    this.#fullAtMs = Math.max(nowMs, this.#fullAtMs) + count * this.#tokenMs;
    return true;
  }

  /** Returns tokens that were not used. */
  giveBack(count = 1): void {
    this.#fullAtMs -= count * this.#tokenMs;
  }

  /** Whether the bucket is full, so that it equals a new one. */
  isFull(nowMs: number): boolean {
    return this.#missingMs(nowMs) <= ROUNDING_MS;
  }

  /** Time until the bucket is full, in milliseconds. */
  #missingMs(nowMs: number): number {
    return Math.max(0, this.#fullAtMs - nowMs);
  }
}

/**
 * Takes one token from each bucket, or none.
 * @returns Time to wait, in milliseconds; 0 if they were taken.
 */
export function takeFromAll(buckets: readonly TokenBucket[], nowMs: number): number {
  const waitMs = Math.max(0, ...buckets.map((bucket) => bucket.waitMs(nowMs)));
  if (waitMs === 0) { for (const bucket of buckets) bucket.take(nowMs); }
  return waitMs;
}
