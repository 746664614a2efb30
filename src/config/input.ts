import type { Problem } from "./problem.ts";
import type { SchemaKey } from "./keys.ts";

/** A value for a known key, not yet checked. */
export interface Given {
  readonly key: SchemaKey;
  /** As parsed from TOML. */
  readonly raw: unknown;
  /** Name of the file or variable, safe to print. */
  readonly source: string;
  /** How this source writes such a value, if it is not obvious; follows the rule in a message. */
  readonly form?: string;
}

/** The contents of a source: values for known keys, and problems. */
export interface Input {
  readonly given: readonly Given[];
  readonly problems: readonly Problem[];
}
