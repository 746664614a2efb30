/** Repeatable random numbers: the same seed gives the same run. Not for secrets. */
export class Random {
  #state: number;

  constructor(seed: number) {
    this.#state = seed >>> 0;
  }

  /** A whole number from 0 to 2^32 − 1. */
  uint32(): number {
    // A Weyl sequence whose values are stirred twice, so that neighbouring seeds share nothing visible.
    this.#state = (this.#state + 0x9e3779b9) >>> 0;
    let value = this.#state;
    value = Math.imul(value ^ (value >>> 16), 0x85ebca6b);
    value = Math.imul(value ^ (value >>> 13), 0xc2b2ae35);
    return (value ^ (value >>> 16)) >>> 0;
  }

  /** A whole number from 0 to `limit` − 1; `limit` is at least 1. */
  below(limit: number): number {
    return Math.floor((this.uint32() / 0x1_0000_0000) * limit);
  }

  /** A whole number from `min` to `max`, both included. */
  between(min: number, max: number): number {
    return min + this.below(max - min + 1);
  }

  /** True once in `times` on average. */
  oneIn(times: number): boolean {
    return this.below(times) === 0;
  }

  /** One of `items`, which has at least one. */
  pick<T>(items: readonly T[]): T {
    const index = this.below(items.length);
    if (index >= items.length) throw new RangeError("Cannot pick from an empty list");
    return items[index] as T;
  }

  /** `length` random bytes. */
  bytes(length: number): Uint8Array<ArrayBuffer> {
    const bytes = new Uint8Array(length);
    for (let index = 0; index < length; index++) bytes[index] = this.uint32();
    return bytes;
  }

  /** A copy of `bytes` with a few bytes changed, put in, taken out, or cut off at the end. */
  mutate(bytes: Uint8Array): Uint8Array<ArrayBuffer> {
    const list = [...bytes];
    for (let edits = this.between(1, 4); edits > 0; edits--) {
      const index = this.below(list.length + 1);
      switch (this.below(6)) {
        case 0:
          list.splice(index, 0, this.below(256));
          break;
        case 1:
          list.splice(index, 1);
          break;
        case 2:
          list.length = index;
          break;
        default:
          if (index < list.length) {
            list[index] = this.pick([0, 1, 0x7f, 0x80, 0xff, this.below(256)]);
          }
      }
    }
    return new Uint8Array(list);
  }
}
