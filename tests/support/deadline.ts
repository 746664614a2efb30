/** How long a test waits for what should happen soon: generous, since many tests may share a few cores. */
export const SOON_MS = 60_000;

/** A deadline grows by no more than this on a busy machine: what never comes has to fail some time. */
const PATIENCE_MAX = 5;

/** Something did not come in time. Where the machine was busy that proves nothing: see {@link file://./machine.ts}. */
export class Untimely extends Error {}

/** What is waited for, and how long. */
export interface Deadline {
  /** Ends the sentence "Waited in vain …", such as "for the first frame". */
  readonly what: string | (() => string);
  /** On a machine that is not busy. Default: {@link SOON_MS}. */
  readonly ms?: number;
}

/**
 * By what deadlines grow now: by as many programs as wait for each core, at least 1. On a quiet machine nothing grows.
 * @param load Programs that run or wait to, over the last minute, as `Deno.loadavg()` has it.
 */
export function patience(
  load: number = Deno.loadavg()[0] ?? 0,
  cores: number = navigator.hardwareConcurrency,
): number {
  return Math.min(PATIENCE_MAX, Math.max(1, load / cores));
}

/**
 * Waits for a promise, but not for ever.
 * @throws {Untimely} When it has not settled in time; else as the promise does.
 */
export async function within<T>(
  promise: Promise<T>,
  { what, ms = SOON_MS }: Deadline,
): Promise<T> {
  const beganMs = performance.now();
  const late = Promise.withResolvers<never>();
  const look = () => {
    const waitedMs = performance.now() - beganMs;
    const leftMs = ms * patience() - waitedMs;
    if (leftMs > 0) timer = setTimeout(look, leftMs);
    else late.reject(inVain(what, waitedMs));
  };
  let timer = setTimeout(look, ms);
  try {
    return await Promise.race([promise, late.promise]);
  } finally {
    clearTimeout(timer);
  }
}

/**
 * Asks again and again until the answer is yes.
 * @throws {Untimely} When it was not in time; else as `ask` does.
 */
export async function eventually(
  ask: () => boolean | Promise<boolean>,
  { what, ms = SOON_MS }: Deadline,
): Promise<void> {
  const beganMs = performance.now();
  while (!await ask()) {
    const waitedMs = performance.now() - beganMs;
    if (waitedMs > ms && waitedMs > ms * patience()) throw inVain(what, waitedMs);
    await new Promise((resolve) => setTimeout(resolve, ASK_INTERVAL_MS));
  }
}

const ASK_INTERVAL_MS = 20;

function inVain(what: Deadline["what"], waitedMs: number): Untimely {
  const text = typeof what === "string" ? what : what();
  const [load = 0] = Deno.loadavg();
  return new Untimely(`Waited in vain ${text} (${Math.round(waitedMs / 1000)} s, load ${load})`);
}
