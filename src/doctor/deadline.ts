/**
 * Waits for a promise, but not for ever; what it stands for goes on.
 * @throws {Error} When it has not settled in time, with `what` in the text: "No frame came".
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
 * Passes results on as they come, until time is up: then come those of `late`, and the rest is not waited for.
 * @param options.late Called once, when the deadline has passed; what it returns is told last.
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
      // What fails after the deadline concerns nobody any more.
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
