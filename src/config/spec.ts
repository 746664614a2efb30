import type { PublicPortEntry } from "../base/public_ports.ts";

/** A JSON value. Numbers are finite. */
export type JsonValue =
  | string
  | number
  | boolean
  | null
  | readonly JsonValue[]
  | { readonly [key: string]: JsonValue };

/** Listening address of a TCP server. */
export interface ListenAddress {
  /** IPv4 address, IPv6 address without brackets, or DNS name. */
  readonly hostname: string;
  /** 0–65535; 0 means any free port. */
  readonly port: number;
}

/**
 * When a changed key takes effect after a reload: `live` at once, `sessions` for new sessions, `restart` after the
 * server is restarted.
 */
export type Effect = "live" | "sessions" | "restart";

interface CommonSpec {
  /** What the key does, for operators; whole sentences. */
  readonly help: string;
  /** When a change of the key takes effect. */
  readonly effect: Effect;
  /** Unit of the value, in words. */
  readonly unit?: string;
}

/** A whole number from `min` to `max`. */
export interface IntegerSpec extends CommonSpec {
  readonly type: "integer";
  readonly default: number;
  readonly min: number;
  readonly max: number;
  /** Only even numbers: chroma has half the resolution. */
  readonly even?: true;
}

/** One of a few words. */
export interface ChoiceSpec extends CommonSpec {
  readonly type: "choice";
  readonly default: string;
  readonly choices: readonly string[];
}

interface BooleanSpec extends CommonSpec {
  readonly type: "boolean";
  readonly default: boolean;
}

interface TextSpec extends CommonSpec {
  readonly type:
    | "path"
    | "name"
    | "url"
    | "host"
    | "ip_address"
    | "socket_address"
    | "optional_socket_address";
  readonly default: string;
}

interface ListSpec extends CommonSpec {
  readonly type: "origins" | "public_ports";
  readonly default: readonly string[];
}

interface TableSpec extends CommonSpec {
  readonly type: "json_table" | "path_table";
  readonly default: Readonly<Record<string, never>>;
  /** One line of TOML, shown as a comment in the default file. */
  readonly example: string;
}

/** Definition of one key: the type and range of its value, its default in TOML, and its help text. */
export type KeySpec =
  | IntegerSpec
  | ChoiceSpec
  | BooleanSpec
  | TextSpec
  | ListSpec
  | TableSpec;

/** One `[section]` of config.toml. */
export interface SectionSpec {
  /** What the section is about, for operators. */
  readonly help: string;
  /** Its keys, in the order of the file; those that are tables come last. */
  readonly keys: Readonly<Record<string, KeySpec>>;
}

/** Parsed type of each value type. If the empty string is allowed, it becomes `undefined`. */
interface ParsedValues {
  integer: number;
  choice: string;
  boolean: boolean;
  /** A path as written; relative to the working directory. */
  path: string | undefined;
  name: string | undefined;
  /** `scheme://host` or `scheme://host:port`, normalized, without a slash at the end. */
  url: string | undefined;
  /** IPv4 address, IPv6 address without brackets, or DNS name. */
  host: string | undefined;
  /** IPv4 address, or IPv6 address without brackets. */
  ip_address: string;
  socket_address: ListenAddress;
  optional_socket_address: ListenAddress | undefined;
  /** `*`, or origins as browsers send them. */
  origins: readonly string[];
  public_ports: readonly PublicPortEntry[];
  json_table: Readonly<Record<string, JsonValue>>;
  /** Paths by name. */
  path_table: Readonly<Record<string, string>>;
}

/** The parsed value of a key. */
export type ParsedValue<Spec extends KeySpec = KeySpec> = Spec extends
  { readonly type: "choice"; readonly choices: readonly (infer Choice)[] } ? Choice
  : ParsedValues[Spec["type"]];
