/** Result of one test of a library. */
export interface Verdict {
  /** `failed`: violates the contract. `warning`: works, but not well, or not everywhere. */
  readonly level: "ok" | "warning" | "failed";
  /** Name of the test, in a word or two. */
  readonly name: string;
  /** What was measured, with figures. */
  readonly text: string;
}

/** @returns A verdict whose level is that of the worst fault, and whose text names them all. */
export function verdictOf(
  name: string,
  { seen, warnings = [], failures = [] }: {
    /** Text to include in any case. */
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

/** Formats milliseconds with the significant digits. */
export function formatMs(ms: number): string {
  if (ms >= 1000) return `${(ms / 1000).toFixed(1)} s`;
  return `${ms.toFixed(ms >= 100 ? 0 : ms >= 10 ? 1 : 2)} ms`;
}

/** `1 frame`, `2 frames`. */
export function count(number: number, noun: string): string {
  return `${number} ${noun}${number === 1 ? "" : "s"}`;
}

/** Warning for an error without text: the binding appends the library's text after the status. */
export function noText(error: string | undefined): string | undefined {
  const silent = error !== undefined && /failed with status -\d+$/.test(error);
  return silent ? "pinhole_last_error gives no text" : undefined;
}
