/** How long a test waits for what should happen soon: generous, since many tests may share a few cores. */
export const SOON_MS = 60_000;

/** What is waited for, and how long. */
export interface Deadline {
  /** Ends the sentence "Waited in vain …", such as "for the first frame". */
  readonly what: string | (() => string);
  /** Default: {@link SOON_MS}. */
  readonly ms?: number;
}

/**
 * Waits for a promise, but not for ever.
 * @throws {Error} When it has not settled in time; else as the promise does.
 */
export async function within<T>(
  promise: Promise<T>,
  { what, ms = SOON_MS }: Deadline,
): Promise<T> {
  const late = Promise.withResolvers<never>();
  const timer = setTimeout(() => {
    const text = typeof what === "string" ? what : what();
    late.reject(new Error(`Waited in vain ${text} (${ms / 1000} s)`));
  }, ms);
  try {
    return await Promise.race([promise, late.promise]);
  } finally {
    clearTimeout(timer);
  }
}

/**
 * Asks again and again until the answer is yes.
 * @throws {Error} When it was not in time; else as `ask` does.
 */
export async function eventually(
  ask: () => boolean | Promise<boolean>,
  { what, ms = SOON_MS }: Deadline,
): Promise<void> {
  const endMs = performance.now() + ms;
  while (!await ask()) {
    if (performance.now() > endMs) {
      const text = typeof what === "string" ? what : what();
      throw new Error(`Waited in vain ${text} (${ms / 1000} s)`);
    }
    await new Promise((resolve) => setTimeout(resolve, ASK_INTERVAL_MS));
  }
}

const ASK_INTERVAL_MS = 20;
