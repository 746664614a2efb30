/** A value that JSON can hold. Numbers are finite. */
export type JsonValue =
  | string
  | number
  | boolean
  | null
  | readonly JsonValue[]
  | { readonly [key: string]: JsonValue };

/** Where a TCP server listens. */
export interface SocketAddress {
  /** IPv4 address, IPv6 address without brackets, or DNS name. */
  readonly hostname: string;
  /** 0–65535; 0 asks the host for any free port. */
  readonly port: number;
}

/**
 * When a changed key takes effect in a server that reads its file again: `live` at once, `sessions` for sessions that
 * are opened from then on, `restart` not before the server starts anew.
 */
export type Effect = "live" | "sessions" | "restart";

interface CommonSpec {
  /** What the key does, for the operator; whole sentences. */
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

interface OriginsSpec extends CommonSpec {
  readonly type: "origins";
  readonly default: readonly string[];
}

interface TableSpec extends CommonSpec {
  readonly type: "json_table" | "path_table";
  readonly default: Readonly<Record<string, never>>;
  /** One line of TOML, shown as a comment in the default file. */
  readonly example: string;
}

/** What is known of one key: the type and range of its value, its default as TOML has it, and its help text. */
export type KeySpec =
  | IntegerSpec
  | ChoiceSpec
  | BooleanSpec
  | TextSpec
  | OriginsSpec
  | TableSpec;

/** One `[section]` of config.toml. */
export interface SectionSpec {
  /** What the section is about, for the operator. */
  readonly help: string;
  /** Its keys, in the order of the file; those that are tables of their own stand last. */
  readonly keys: Readonly<Record<string, KeySpec>>;
}

/** What a value of each type is after parsing. Where the empty string is allowed, it becomes `undefined`. */
interface ParsedValues {
  integer: number;
  choice: string;
  boolean: boolean;
  /** A path as it was written; relative ones start at the working directory. */
  path: string | undefined;
  name: string | undefined;
  /** `scheme://host` or `scheme://host:port`, normalized, without a slash at the end. */
  url: string | undefined;
  /** IPv4 address, IPv6 address without brackets, or DNS name. */
  host: string | undefined;
  /** IPv4 address, or IPv6 address without brackets. */
  ip_address: string;
  socket_address: SocketAddress;
  optional_socket_address: SocketAddress | undefined;
  /** `*`, or origins as browsers send them. */
  origins: readonly string[];
  json_table: Readonly<Record<string, JsonValue>>;
  /** Paths by name. */
  path_table: Readonly<Record<string, string>>;
}

/** The parsed value of a key. */
export type ParsedValue<Spec extends KeySpec = KeySpec> = Spec extends
  { readonly type: "choice"; readonly choices: readonly (infer Choice)[] } ? Choice
  : ParsedValues[Spec["type"]];
