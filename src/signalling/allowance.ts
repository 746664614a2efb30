/** Something of which so much comes back every second, up to a most. Pure: times are arguments. */
export class Allowance {
  readonly #perSecond: number;
  readonly #most: number;
  #left: number;
  #atMs: number;

  constructor(size: { readonly perSecond: number; readonly most: number }, nowMs: number) {
    this.#perSecond = size.perSecond;
    this.#most = size.most;
    this.#left = size.most;
    this.#atMs = nowMs;
  }

  /** How long until one can be taken, in milliseconds; 0 when one can be now. */
  waitMs(nowMs: number): number {
    const seconds = Math.max(0, nowMs - this.#atMs) / 1000;
    this.#atMs = nowMs;
    this.#left = Math.min(this.#most, this.#left + seconds * this.#perSecond);
    return this.#left >= 1 ? 0 : Math.ceil((1 - this.#left) / this.#perSecond * 1000);
  }

  take(): void {
    this.#left -= 1;
  }

  /** Takes one back that came to nothing. */
  giveBack(): void {
    this.#left = Math.min(this.#most, this.#left + 1);
  }

  isWhole(nowMs: number): boolean {
    this.waitMs(nowMs);
    return this.#left === this.#most;
  }
}
