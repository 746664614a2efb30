/** A connection with bytes in a {@link Backlog}. */
export interface BacklogHolder {
  /** Called if the limit is exceeded and its share is the largest: it must drop its bytes. */
  giveUp(): void;
}

/** Counts the bytes of incomplete requests and messages, over all connections. */
export class Backlog {
  readonly #bytesMax: number;
  readonly #shares = new Map<BacklogHolder, number>();
  #bytes = 0;

  /** @param bytesMax Limit for all holders together. */
  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax;
  }

  /**
   * Adds bytes of one holder. If the limit is exceeded, the holder with the largest share is dropped; a message of
   * usual length never has the largest share.
   */
  add(holder: BacklogHolder, bytes: number): void {
    this.#shares.set(holder, this.shareOf(holder) + bytes);
    this.#bytes += bytes;
    if (this.#bytes > this.#bytesMax) this.#dropLargest();
  }

  /** Subtracts bytes of a holder that turned out to be complete. */
  remove(holder: BacklogHolder, bytes: number): void {
    const removed = Math.min(bytes, this.shareOf(holder));
    this.#shares.set(holder, this.shareOf(holder) - removed);
    this.#bytes -= removed;
  }

  /** Bytes of one holder. */
  shareOf(holder: BacklogHolder): number {
    return this.#shares.get(holder) ?? 0;
  }

  /** Removes the holder's share, after it was consumed or the connection ended. */
  release(holder: BacklogHolder): void {
    this.#bytes -= this.shareOf(holder);
    this.#shares.delete(holder);
  }

  #dropLargest(): void {
    let [largest, most]: [BacklogHolder | undefined, number] = [undefined, 0];
    for (const [holder, share] of this.#shares) {
      if (share > most) [largest, most] = [holder, share];
    }
    if (largest === undefined) return;
    this.release(largest);
    largest.giveUp();
  }
}
