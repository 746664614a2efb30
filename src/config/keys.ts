import { SCHEMA } from "./schema.ts";
import type { KeySpec } from "./spec.ts";

/** Name of a section of {@link SCHEMA}. */
export type SectionName = keyof typeof SCHEMA;

/** Full name of a key, such as `webrtc.port_min`. */
export type KeyName = {
  [S in SectionName]: `${S}.${Extract<keyof typeof SCHEMA[S]["keys"], string>}`;
}[SectionName];

/** One key of {@link SCHEMA} with its names. */
export interface SchemaKey {
  readonly section: SectionName;
  readonly key: string;
  /** `section.key`. */
  readonly name: KeyName;
  /** Environment variable that overrides the key. */
  readonly variable: string;
  readonly spec: KeySpec;
}

/** All keys of {@link SCHEMA}, in the order of the file. */
export const SCHEMA_KEYS: readonly SchemaKey[] = sectionNames().flatMap(keysOf);

/** Names of the sections, in the order of the file. */
export function sectionNames(): SectionName[] {
  return Object.keys(SCHEMA) as SectionName[];
}

/** Keys of one section, in the order of the file. */
export function keysOf(section: SectionName): SchemaKey[] {
  return Object.entries<KeySpec>(SCHEMA[section].keys).map(([key, spec]) => ({
    section,
    key,
    name: `${section}.${key}` as KeyName,
    variable: `PINHOLE_${section}_${key}`.toUpperCase(),
    spec,
  }));
}

/** Converts a name of config.toml to that of the `Config` type: `port_min` to `portMin`. */
export function camelCase(name: string): string {
  return name.replaceAll(/_(.)/g, (_, letter: string) => letter.toUpperCase());
}
