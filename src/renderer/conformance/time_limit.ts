import { formatMs } from "./verdict.ts";

/** A call that does not return. The library cannot be used, nor closed, any more. */
export class StuckError extends Error {
  /** Name of the function. */
  readonly call: string;

  constructor(call: string, limitMs: number) {
    super(`it did not return within ${formatMs(limitMs)}`);
    this.name = "StuckError";
    this.call = call;
  }
}

/**
 * Waits for a call, but not for ever.
 * @throws {StuckError} After `limitMs`; else as the call does.
 */
export async function returning<T>(
  call: Promise<T>,
  { name, limitMs }: { name: string; limitMs: number },
): Promise<T> {
  const late = Promise.withResolvers<never>();
  const timer = setTimeout(() => late.reject(new StuckError(name, limitMs)), limitMs);
  try {
    return await Promise.race([call, late.promise]);
  } finally {
    clearTimeout(timer);
  }
}
