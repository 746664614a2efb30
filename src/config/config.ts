import type { Reach } from "./reach.ts";
import type { SCHEMA } from "./schema.ts";
import type { KeySpec, ParsedValue } from "./spec.ts";

type CamelCase<Name> = Name extends `${infer Head}_${infer Tail}`
  ? `${Head}${Capitalize<CamelCase<Tail>>}`
  : Extract<Name, string>;

type Schema = typeof SCHEMA;

/**
 * The resolved configuration: every section and key of the schema table in camelCase, with parsed values. Units are
 * in the names. Empty optional text is `undefined`.
 *
 * Keys that a provider's variables fill are filled. Two keys whose 0 stands for another value are resolved: `webrtc.publicPortMin` is the first public port, and
 * `sessions.max` is the number of places in the configured port range.
 */
export type Config =
  & {
    readonly [Section in keyof Schema as CamelCase<Section>]: {
      readonly [Key in keyof Schema[Section]["keys"] as CamelCase<Key>]: ParsedValue<
        Extract<Schema[Section]["keys"][Key], KeySpec>
      >;
    };
  }
  & {
    /** The media ports, with their public places. */
    readonly reach: Reach;
  };
