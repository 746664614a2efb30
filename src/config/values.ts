import type { PublicPortEntry } from "../base/public_ports.ts";
import { isHost, isIpAddress, isUnspecified, parseOrigin, parseSocketAddress } from "./address.ts";
import type { IntegerSpec, JsonValue, KeySpec, ParsedValue } from "./spec.ts";
import { parsePublicPort } from "./public_port.ts";
import { showValue } from "./show.ts";

const PUBLIC_PORT_FORM =
  '"LOCAL/udp=PUBLIC", "LOCAL/tcp=PUBLIC" or "LOCAL=PUBLIC" for both, where PUBLIC is a port, ' +
  "or host:port";

/** Maximum nesting in `[renderer.options]`: more than options need, and safe for recursion. */
const JSON_DEPTH_MAX = 32;

/** A problem of a value, or of one entry of it. */
export interface Fault {
  /** Keys and indices from the value to the entry; empty for the value itself. */
  readonly path: readonly (string | number)[];
  readonly value: unknown;
  /** The violated rule, in words that follow "must be". */
  readonly rule: string;
}

/** A parsed value, or its faults (at least one). */
export type Read<T> = { readonly value: T } | { readonly faults: readonly Fault[] };

/** Parses a key's value from TOML. Never throws. */
export function readValue(spec: KeySpec, raw: unknown): Read<ParsedValue> {
  switch (spec.type) {
    case "origins":
      return Array.isArray(raw) ? readEntries(raw, readOrigin) : fault(raw, ruleOf(spec));
    case "public_ports":
      return Array.isArray(raw) ? readEntries(raw, readPublicPort) : fault(raw, ruleOf(spec));
    case "path_table":
      return isTable(raw) ? readTable(raw, readSourcePath) : fault(raw, ruleOf(spec));
    case "json_table":
      return isTable(raw)
        ? readTable(raw, (entry) => readJson(entry, 1))
        : fault(raw, ruleOf(spec));
    default:
      return readScalar(spec, raw) ?? fault(raw, ruleOf(spec));
  }
}

/** The rule for a value, in words that follow "must be". */
export function ruleOf(spec: KeySpec): string {
  switch (spec.type) {
    case "integer":
      return integerRule(spec);
    case "choice":
      return `one of ${spec.choices.map(showValue).join(", ")}`;
    case "boolean":
      return "true or false";
    case "path":
      return 'a path, or ""';
    case "name":
      return '1 to 64 of the characters A-Z a-z 0-9 _ -, or ""';
    case "url":
      return 'an http or https URL with only a host and a port, or ""';
    case "host":
      return 'an IP address or DNS name that browsers can reach, without brackets and port, or ""';
    case "ip_address":
      return "an IPv4 address, or an IPv6 address without brackets";
    case "socket_address":
      return "host:port, with brackets around an IPv6 address";
    case "optional_socket_address":
      return 'host:port, with brackets around an IPv6 address, or ""';
    case "origins":
      return 'a list of "*" and of origins such as "https://example.com"';
    case "public_ports":
      return `a list of ${PUBLIC_PORT_FORM}`;
    case "json_table":
      return "a table of JSON values";
    case "path_table":
      return 'a table of lines name = "path"';
  }
}

/** Whether the value is a TOML table or a JSON object. */
export function isTable(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value) &&
    !(value instanceof Date);
}

type ScalarSpec = Exclude<
  KeySpec,
  { type: "origins" | "public_ports" | "path_table" | "json_table" }
>;

function readScalar(
  spec: ScalarSpec,
  raw: unknown,
): { readonly value: ParsedValue<ScalarSpec> } | undefined {
  if (spec.type === "boolean") return typeof raw === "boolean" ? { value: raw } : undefined;
  if (spec.type === "integer") return isInRange(spec, raw) ? { value: raw } : undefined;
  if (typeof raw !== "string") return undefined;
  switch (spec.type) {
    case "choice":
      return spec.choices.includes(raw) ? { value: raw } : undefined;
    case "ip_address":
      return isIpAddress(raw) ? { value: raw } : undefined;
    case "socket_address":
      return ifDefined(parseSocketAddress(raw));
    case "optional_socket_address":
      return raw === "" ? { value: undefined } : ifDefined(parseSocketAddress(raw));
    default:
      return raw === "" ? { value: undefined } : ifDefined(parseOptionalText(spec.type, raw));
  }
}

function parseOptionalText(
  type: "path" | "name" | "url" | "host",
  text: string,
): string | undefined {
  switch (type) {
    case "path":
      return isPath(text) ? text : undefined;
    case "name":
      return /^[A-Za-z0-9_-]{1,64}$/.test(text) ? text : undefined;
    case "url":
      return parseOrigin(text);
    case "host":
      return isHost(text) && !isUnspecified(text) ? text : undefined;
  }
}

function ifDefined<T>(value: T | undefined): { readonly value: T } | undefined {
  return value === undefined ? undefined : { value };
}

function integerRule({ min, max, even }: IntegerSpec): string {
  return `${even ? "an even" : "a whole"} number from ${min} to ${max}`;
}

function isInRange({ min, max, even }: IntegerSpec, raw: unknown): raw is number {
  return typeof raw === "number" && Number.isInteger(raw) && raw >= min && raw <= max &&
    (!even || raw % 2 === 0);
}

function isPath(text: string): boolean {
  // deno-lint-ignore no-control-regex
  return text !== "" && !/[\x00-\x1f\x7f]/.test(text);
}

function readOrigin(raw: unknown): Read<string> {
  const origin = typeof raw !== "string" ? undefined : raw === "*" ? raw : parseOrigin(raw);
  return origin === undefined
    ? fault(raw, '"*" or an origin such as "https://example.com"')
    : { value: origin };
}

function readPublicPort(raw: unknown): Read<PublicPortEntry> {
  const entry = typeof raw === "string" ? parsePublicPort(raw) : undefined;
  return entry === undefined ? fault(raw, PUBLIC_PORT_FORM) : { value: entry };
}

function readSourcePath(raw: unknown): Read<string> {
  return typeof raw === "string" && isPath(raw) ? { value: raw } : fault(raw, "a path");
}

function readJson(raw: unknown, depth: number): Read<JsonValue> {
  if (typeof raw === "string" || typeof raw === "boolean" || raw === null) return { value: raw };
  if (typeof raw === "number" && Number.isFinite(raw)) return { value: raw };
  const isList = Array.isArray(raw);
  if (!isList && !isTable(raw)) return fault(raw, "a JSON value");
  if (depth > JSON_DEPTH_MAX) return fault(raw, `nested at most ${JSON_DEPTH_MAX} deep`);
  const readEntry = (entry: unknown) => readJson(entry, depth + 1);
  return isList ? readEntries(raw, readEntry) : readTable(raw, readEntry);
}

function readEntries<T>(
  raw: readonly unknown[],
  readEntry: (raw: unknown) => Read<T>,
): Read<readonly T[]> {
  const { values, faults } = collect(raw.entries(), readEntry);
  return faults.length > 0 ? { faults } : { value: values.map(([, value]) => value) };
}

function readTable<T>(
  raw: Readonly<Record<string, unknown>>,
  readEntry: (raw: unknown) => Read<T>,
): Read<Readonly<Record<string, T>>> {
  const { values, faults } = collect(Object.entries(raw), readEntry);
  return faults.length > 0 ? { faults } : { value: Object.fromEntries(values) };
}

function collect<Key extends string | number, T>(
  entries: Iterable<readonly [Key, unknown]>,
  readEntry: (raw: unknown) => Read<T>,
): { readonly values: (readonly [Key, T])[]; readonly faults: Fault[] } {
  const values: (readonly [Key, T])[] = [];
  const faults: Fault[] = [];
  for (const [key, raw] of entries) {
    const read = readEntry(raw);
    if ("value" in read) values.push([key, read.value]);
    else for (const each of read.faults) faults.push({ ...each, path: [key, ...each.path] });
  }
  return { values, faults };
}

function fault(value: unknown, rule: string): { readonly faults: readonly Fault[] } {
  return { faults: [{ path: [], value, rule }] };
}
