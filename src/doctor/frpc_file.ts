/** A key of a file, with its line. */
export interface FileEntry {
  /** Full dotted key, such as `transport.tcpMux`; keys of a proxy have no `proxies.` prefix. */
  readonly key: string;
  /** Without quotes. */
  readonly value: string;
  /** From 1. */
  readonly line: number;
}

/** A proxy in the file. */
export interface FileProxy {
  readonly name: string;
  /** Such as `udp`. */
  readonly type: string;
  readonly entries: readonly FileEntry[];
}

/** The parts of frpc.toml that the doctor checks. */
export interface FrpcFile {
  /** Keys outside of proxies. */
  readonly entries: readonly FileEntry[];
  readonly proxies: readonly FileProxy[];
}

const PROXIES = "proxies";

/** Limit of lines: a proxy has six, and frpc at most hundreds of proxies. */
const LINES_MAX = 20_000;

/**
 * Parses frpc.toml as frpc's admin API returns it, with its templates unexpanded. Supports the TOML that such files use
 * (dotted keys, tables, inline tables on one line) and skips everything else. Pure.
 */
export function readFrpcFile(text: string): FrpcFile {
  const entries: FileEntry[] = [];
  const proxies: FileEntry[][] = [];
  let table = "";
  text.split("\n", LINES_MAX).forEach((raw, at) => {
    const header = /^\s*\[{1,2}\s*([\w.]+)\s*\]{1,2}/.exec(raw);
    if (header !== null) {
      table = header[1] ?? "";
      if (table === PROXIES) proxies.push([]);
      return;
    }
    for (const [key, value] of readAssignments(raw)) {
      const whole = table === "" ? key : `${table}.${key}`;
      const own = whole.startsWith(`${PROXIES}.`) ? whole.slice(PROXIES.length + 1) : undefined;
      const target = own === undefined ? entries : proxies.at(-1);
      target?.push({ key: own ?? whole, value, line: at + 1 });
    }
  });
  return {
    entries,
    proxies: proxies.map((own) => ({
      name: valueOf(own, "name") ?? "",
      type: valueOf(own, "type") ?? "",
      entries: own,
    })),
  };
}

/** The value of a key; `undefined` if it is absent. */
export function valueOf(entries: readonly FileEntry[], key: string): string | undefined {
  return entries.find((entry) => entry.key === key)?.value;
}

/** The pairs of `key = value` or `key = { a = 1, b = 2 }`. */
function readAssignments(line: string): [key: string, value: string][] {
  const [, key, rest = ""] = /^\s*([\w.]+)\s*=\s*(.*)$/.exec(line) ?? [];
  if (key === undefined) return [];
  const inline = /^\{(.*)\}/.exec(rest)?.[1];
  if (inline === undefined) return [[key, readValue(rest)]];
  return [...inline.matchAll(/([\w.]+)\s*=\s*("[^"]*"|'[^']*'|[^,\s]+)/g)]
    .map(([, own = "", value = ""]) => [`${key}.${own}`, readValue(value)]);
}

/** A value without quotes and without a trailing comment. */
function readValue(text: string): string {
  const [, double, single, bare = ""] = /^(?:"([^"]*)"|'([^']*)'|([^#\s,]*))/.exec(text) ?? [];
  return double ?? single ?? bare;
}
