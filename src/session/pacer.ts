/** Computes when the next frame of a steady rate is due. Pure: `nowMs` is an argument. */
export class Pacer {
  readonly #intervalMs: number;
  #dueMs: number;

  constructor(options: { intervalMs: number; startMs: number }) {
    this.#intervalMs = options.intervalMs;
    this.#dueMs = options.startMs;
  }

  /**
   * Advances to the next frame that can still start in time.
   * @returns How long to wait for it, and how many late frames were skipped.
   */
  next(nowMs: number): { waitMs: number; skipped: number } {
    this.#dueMs += this.#intervalMs;
    const lateMs = nowMs - this.#dueMs;
    // A timer may fire late, so up to one interval is caught up instead of skipped.
    const skipped = Math.max(0, Math.floor(lateMs / this.#intervalMs));
    this.#dueMs += skipped * this.#intervalMs;
    return { waitMs: Math.max(0, this.#dueMs - nowMs), skipped };
  }
}
