/** Sum over a sliding window. Times that go back count as the newest. */
export class SlidingSum {
  readonly #bucketMs: number;
  readonly #sums: Float64Array;
  /** Number of the newest bucket, counted from time zero. */
  #newest = Number.NEGATIVE_INFINITY;

  constructor({ windowMs, buckets }: { windowMs: number; buckets: number }) {
    this.#bucketMs = windowMs / buckets;
    this.#sums = new Float64Array(buckets);
  }

  add(value: number, atMs: number): void {
    this.#turn(atMs);
    const at = this.#newest % this.#sums.length;
    this.#sums[at] = (this.#sums[at] ?? 0) + value;
  }

  /** The sum of the window that ends at `nowMs`. */
  at(nowMs: number): number {
    this.#turn(nowMs);
    return this.#sums.reduce((total, sum) => total + sum, 0);
  }

  #turn(atMs: number): void {
    // A remote clock may show any time, even a negative one.
    const bucket = Math.floor(Math.max(0, atMs) / this.#bucketMs);
    const stale = Math.min(bucket - this.#newest, this.#sums.length);
    for (let back = 0; back < stale; back++) this.#sums[(bucket - back) % this.#sums.length] = 0;
    this.#newest = Math.max(this.#newest, bucket);
  }
}

/** Minimum over a sliding window, which advances by whole buckets. */
export class SlidingLeast {
  readonly #bucketMs: number;
  readonly #bucketsMax: number;
  /** Oldest first. */
  #buckets: { readonly sinceMs: number; least: number }[] = [];

  constructor({ windowMs, buckets }: { windowMs: number; buckets: number }) {
    this.#bucketMs = windowMs / buckets;
    this.#bucketsMax = buckets;
  }

  /** The minimum; Infinity if there is none. */
  get value(): number {
    return Math.min(Number.POSITIVE_INFINITY, ...this.#buckets.map(({ least }) => least));
  }

  add(value: number, atMs: number): void {
    const bucket = this.#buckets.at(-1);
    if (bucket !== undefined && atMs - bucket.sinceMs < this.#bucketMs) {
      bucket.least = Math.min(bucket.least, value);
      return;
    }
    this.#buckets.push({ sinceMs: atMs, least: value });
    if (this.#buckets.length > this.#bucketsMax) this.#buckets.shift();
  }
}
