/** Packets behind the newest one that may still come (RFC 3711 §3.3.2: at least 64). */
const WINDOW = 64n;

/** Remembers which packet indices have come, so that each counts once (RFC 3711 §3.3.2). */
export class ReplayWindow {
  #highest = -1;
  /** Bit n stands for the index `#highest` − n. */
  #seen = 0n;

  /** Highest index so far; −1 before the first. */
  get highest(): number {
    return this.#highest;
  }

  /** Whether an index is new: neither seen before nor too old to tell. */
  isNew(index: number): boolean {
    const behind = BigInt(this.#highest - index);
    return behind < 0n || (behind < WINDOW && (this.#seen & (1n << behind)) === 0n);
  }

  /** Notes the index of a packet that was found authentic. */
  add(index: number): void {
    const ahead = index - this.#highest;
    if (ahead > 0) {
      this.#seen = ahead < Number(WINDOW) ? BigInt.asUintN(64, this.#seen << BigInt(ahead)) : 0n;
      this.#highest = index;
    }
    this.#seen |= 1n << BigInt(this.#highest - index);
  }
}
