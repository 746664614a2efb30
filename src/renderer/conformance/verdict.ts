/** How a library does in one respect. */
export interface Verdict {
  /** `failed`: against the contract. `warning`: it works, but not well, or not everywhere. */
  readonly level: "ok" | "warning" | "failed";
  /** What was looked at, in a word or two. */
  readonly name: string;
  /** What was seen, with figures. */
  readonly text: string;
}

/** @returns A verdict whose level is that of the worst fault, and whose text names them all. */
export function verdictOf(
  name: string,
  { seen, warnings = [], failures = [] }: {
    /** What is worth knowing in any case. */
    readonly seen: string;
    readonly warnings?: readonly (string | undefined)[];
    readonly failures?: readonly (string | undefined)[];
  },
): Verdict {
  const failed = failures.filter((text) => text !== undefined);
  const warned = warnings.filter((text) => text !== undefined);
  const level = failed.length > 0 ? "failed" : warned.length > 0 ? "warning" : "ok";
  const text = [seen, ...failed, ...warned].filter((part) => part !== "").join("; ");
  return { level, name, text };
}

/** Milliseconds in words, with as many digits as mean something. */
export function formatMs(ms: number): string {
  if (ms >= 1000) return `${(ms / 1000).toFixed(1)} s`;
  return `${ms.toFixed(ms >= 100 ? 0 : ms >= 10 ? 1 : 2)} ms`;
}

/** `1 frame`, `2 frames`. */
export function count(number: number, noun: string): string {
  return `${number} ${noun}${number === 1 ? "" : "s"}`;
}

/** What to say of an error that tells only its status: the binding puts the library's own text behind it. */
export function noText(error: string | undefined): string | undefined {
  const silent = error !== undefined && /failed with status -\d+$/.test(error);
  return silent ? "pinhole_last_error gives no text" : undefined;
}
