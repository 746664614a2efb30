import type { CancelTimer, Clock } from "../../../src/base/clock.ts";

/** Lets every promise that is ready go on, and those that become ready by that. */
export function settle(): Promise<void> {
  // A macrotask runs when no microtask is left.
  return new Promise((resolve) => setTimeout(resolve));
}

/** Wall-clock time of a new {@link FakeClock}, in milliseconds since 1970. */
export const FAKE_EPOCH_MS = 1_700_000_000_000;

/** A clock that stands still until a test moves it. Monotonic time begins at 0. */
export class FakeClock implements Clock {
  #nowMs = 0;
  readonly #timers = new Set<{ readonly dueMs: number; readonly fire: () => void }>();

  now(): number {
    return this.#nowMs;
  }

  wallMs(): number {
    return FAKE_EPOCH_MS + this.#nowMs;
  }

  after(delayMs: number, fire: () => void): CancelTimer {
    const timer = { dueMs: this.#nowMs + Math.max(0, delayMs), fire };
    this.#timers.add(timer);
    return () => void this.#timers.delete(timer);
  }

  /** Timers that have yet to fire. */
  get pending(): number {
    return this.#timers.size;
  }

  /** Moves the time on without firing anything: the event loop is busy. The timers fire in the next `advance`. */
  stall(ms: number): void {
    this.#nowMs += ms;
  }

  /**
   * Moves the time on by `ms`. Timers fire in the order of their times, equal ones in that of their making, each after
   * all that the one before set off has settled; timers that they start fire as well if they fall due.
   */
  async advance(ms: number): Promise<void> {
    const untilMs = this.#nowMs + ms;
    await settle();
    for (let next = this.#next(untilMs); next !== undefined; next = this.#next(untilMs)) {
      this.#timers.delete(next);
      this.#nowMs = Math.max(this.#nowMs, next.dueMs);
      next.fire();
      await settle();
    }
    this.#nowMs = untilMs;
  }

  #next(untilMs: number): { readonly dueMs: number; readonly fire: () => void } | undefined {
    let next: { readonly dueMs: number; readonly fire: () => void } | undefined;
    for (const timer of this.#timers) {
      if (timer.dueMs <= untilMs && (next === undefined || timer.dueMs < next.dueMs)) next = timer;
    }
    return next;
  }
}
