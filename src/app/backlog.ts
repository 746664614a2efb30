/** Who holds a share of a {@link Backlog}. */
export interface BacklogHolder {
  /** Its share is the largest and there is no more room: it has to let go of what it holds. */
  giveUp(): void;
}

/** Counts the bytes that clients have sent and nothing has taken whole yet, of all their connections together. */
export class Backlog {
  readonly #bytesMax: number;
  readonly #shares = new Map<BacklogHolder, number>();
  #bytes = 0;

  /** @param bytesMax What all may hold together. */
  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax;
  }

  /**
   * Notes more of one holder. When that is too much for all together, the one with the largest share is dropped: a
   * message of usual length is never that one.
   */
  add(holder: BacklogHolder, bytes: number): void {
    this.#shares.set(holder, this.shareOf(holder) + bytes);
    this.#bytes += bytes;
    if (this.#bytes > this.#bytesMax) this.#dropLargest();
  }

  /** Some of what the holder has is none after all. */
  remove(holder: BacklogHolder, bytes: number): void {
    const removed = Math.min(bytes, this.shareOf(holder));
    this.#shares.set(holder, this.shareOf(holder) - removed);
    this.#bytes -= removed;
  }

  /** What one holder has, in bytes. */
  shareOf(holder: BacklogHolder): number {
    return this.#shares.get(holder) ?? 0;
  }

  /** The holder's share has been taken, or is gone with it. */
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
