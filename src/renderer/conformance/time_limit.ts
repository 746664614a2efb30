import { formatMs } from "./verdict.ts";

/** A call did not return. The library can no longer be used or closed. */
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
 * Waits for a call, up to a limit.
 * @throws {StuckError} After `limitMs`; otherwise rethrows errors of the call.
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
