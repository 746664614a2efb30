/** Start times of the pictures of a loop. */
export interface LoopTimes {
  /** Microseconds from the loop's start, ascending, the first 0; at least one. */
  readonly startsUs: readonly number[];
  /** Duration of the loop, in microseconds, above the last start. */
  readonly durationUs: number;
}

/** Finds the picture of a loop at a time, by a binary search without allocation. */
export class Loop {
  readonly #startsUs: Float64Array;
  readonly #durationUs: number;

  constructor({ startsUs, durationUs }: LoopTimes) {
    this.#startsUs = Float64Array.from(startsUs);
    this.#durationUs = durationUs;
  }

  /** Index of the picture at `elapsedUs` microseconds, which may be any number. */
  indexAt(elapsedUs: number): number {
    const phaseUs = elapsedUs - Math.floor(elapsedUs / this.#durationUs) * this.#durationUs;
    let low = 0;
    let high = this.#startsUs.length;
    while (high - low > 1) {
      const middle = (low + high) >>> 1;
      if ((this.#startsUs[middle] ?? Infinity) <= phaseUs) low = middle;
      else high = middle;
    }
    return low;
  }
}

/**
 * Times of a loop that plays forward and then backward, so that a source that was cut in the middle of a movement has
 * no visible jump. Entry `i` of {@link LoopTimes.startsUs} shows picture `order[i]`.
 *
 * @param startsUs As in {@link LoopTimes}, for playing forward; at least two.
 */
export function thereAndBack(
  startsUs: readonly number[],
): LoopTimes & { readonly order: readonly number[] } {
  const last = startsUs.length - 1;
  const lastUs = startsUs[last] ?? 0;
  const order = startsUs.map((_, index) => index);
  const allUs = [...startsUs];
  for (let index = last - 1; index > 0; index--) {
    order.push(index);
    allUs.push(2 * lastUs - (startsUs[index] ?? 0));
  }
  return { order, startsUs: allUs, durationUs: 2 * lastUs };
}
