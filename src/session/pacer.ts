/** Says when the next frame of a steady rate is due. Pure: `nowMs` is an argument. */
export class Pacer {
  readonly #intervalMs: number;
  #dueMs: number;

  constructor(options: { intervalMs: number; startMs: number }) {
    this.#intervalMs = options.intervalMs;
    this.#dueMs = options.startMs;
  }

  /**
   * Moves on to the next frame that can still begin in time.
   * @returns How long to wait for it, and how many frames were too late to begin.
   */
  next(nowMs: number): { waitMs: number; skipped: number } {
    this.#dueMs += this.#intervalMs;
    const lateMs = nowMs - this.#dueMs;
    // A timer that fires a little late is no reason to skip: up to one interval is caught up.
    const skipped = Math.max(0, Math.floor(lateMs / this.#intervalMs));
    this.#dueMs += skipped * this.#intervalMs;
    return { waitMs: Math.max(0, this.#dueMs - nowMs), skipped };
  }
}
