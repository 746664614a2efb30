/** Cancels a timer. Idempotent; does nothing after the timer has fired. */
export type CancelTimer = () => void;

/** A source of time and timers. Tests pass a fake clock. */
export interface Clock {
  /** Monotonic milliseconds with fractions; only differences are meaningful. */
  now(): number;
  /** Wall-clock milliseconds since 1970-01-01T00:00:00Z. */
  wallMs(): number;
  /** Calls `fire` once after `delayMs` milliseconds. */
  after(delayMs: number, fire: () => void): CancelTimer;
}

/** The host's clock. */
export const SYSTEM_CLOCK: Clock = {
  now: () => performance.now(),
  wallMs: () => Date.now(),
  after(delayMs, fire) {
    const id = setTimeout(fire, delayMs);
    return () => clearTimeout(id);
  },
};

/** Resolves after `delayMs`, or at once when `signal` aborts. It never rejects. */
export function sleep(clock: Clock, delayMs: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal?.aborted) return resolve();
    const done = () => {
      cancel();
      signal?.removeEventListener("abort", done);
      resolve();
    };
    const cancel = clock.after(delayMs, done);
    signal?.addEventListener("abort", done, { once: true });
  });
}
