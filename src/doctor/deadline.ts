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
