/** When the pictures of a loop begin. */
export interface LoopTimes {
  /** Microseconds from the loop's start, ascending, the first 0; at least one. */
  readonly startsUs: readonly number[];
  /** Length of one round, in microseconds, above the last start. */
  readonly durationUs: number;
}

/** Which picture of a loop is on at a time. Each look-up is a binary search that allocates nothing. */
export class Loop {
  readonly #startsUs: Float64Array;
  readonly #durationUs: number;

  constructor({ startsUs, durationUs }: LoopTimes) {
    this.#startsUs = Float64Array.from(startsUs);
    this.#durationUs = durationUs;
  }

  /** Index of the last picture that has begun `elapsedUs` microseconds after a round began; any number is fine. */
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
 * Times of a loop that runs to its last picture and back to its first, for pictures that were cut off in the middle of a
 * movement: nothing jumps. Round `i` of {@link LoopTimes.startsUs} shows picture `order[i]`.
 *
 * @param startsUs As in {@link LoopTimes}, for the way there; at least two.
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
