import type { Problem } from "./problem.ts";
import type { SchemaKey } from "./keys.ts";

/** A value for a known key, not yet checked. */
export interface Given {
  readonly key: SchemaKey;
  /** As TOML has it. */
  readonly raw: unknown;
  /** Name of the file or variable, fit to print. */
  readonly source: string;
  /** How this source writes such a value where that is not plain; it follows the rule in a message. */
  readonly form?: string;
}

/** What a source holds: values for known keys, and what it should not hold. */
export interface Input {
  readonly given: readonly Given[];
  readonly problems: readonly Problem[];
}
