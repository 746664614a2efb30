/**
 * Waits for a promise with a time limit. The operation itself is not cancelled.
 * @throws {Error} If the promise has not settled in time; the message begins with `what`, such as "No frame came".
 */
export async function within<Value>(
  promise: Promise<Value>,
  { ms, what }: { ms: number; what: string },
): Promise<Value> {
  const late = Promise.withResolvers<never>();
  const timer = setTimeout(() => late.reject(new Error(`${what} within ${ms / 1000} s`)), ms);
  try {
    return await Promise.race([promise, late.promise]);
  } finally {
    clearTimeout(timer);
  }
}

/**
 * Yields results as they arrive until the deadline, then those of `late`; later results are dropped.
 * @param options.late Called once, when the deadline has passed; its results are yielded last.
 */
export async function* untilDeadline<Result>(
  results: AsyncGenerator<Result>,
  { ms, late }: { ms: number; late: () => readonly Result[] },
): AsyncGenerator<Result> {
  const { promise: isLate, resolve } = Promise.withResolvers<"late">();
  const timer = setTimeout(() => resolve("late"), ms);
  try {
    while (true) {
      const next = results.next();
      // A failure after the deadline is ignored.
      next.catch(() => {});
      const settled = await Promise.race([next, isLate]);
      if (settled === "late") return yield* late();
      if (settled.done === true) return;
      yield settled.value;
    }
  } finally {
    clearTimeout(timer);
  }
}
