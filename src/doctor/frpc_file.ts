/** A key of a file, where it stands. */
export interface FileEntry {
  /** Whole, such as `transport.tcpMux`; keys of a proxy have no prefix. */
  readonly key: string;
  /** Without quotes. */
  readonly value: string;
  /** From 1. */
  readonly line: number;
}

/** One proxy of a file. */
export interface FileProxy {
  readonly name: string;
  /** Such as `udp`. */
  readonly type: string;
  readonly entries: readonly FileEntry[];
}

/** What frpc.toml says, as far as the doctor looks at it. */
export interface FrpcFile {
  /** Keys outside of proxies. */
  readonly entries: readonly FileEntry[];
  readonly proxies: readonly FileProxy[];
}

const PROXIES = "proxies";

/** Lines that are read: a proxy has six, and frpc hundreds of proxies at most. */
const LINES_MAX = 20_000;

/**
 * Reads frpc.toml as frpc's admin API gives it, before its templates are filled in. It takes what people write into
 * such files, dotted keys, tables and inline tables on one line, and leaves out what it cannot read. Pure.
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

/** The value of a key; `undefined` where it does not stand. */
export function valueOf(entries: readonly FileEntry[], key: string): string | undefined {
  return entries.find((entry) => entry.key === key)?.value;
}

/** `key = value`, and each of `key = { a = 1, b = 2 }`. */
function readAssignments(line: string): [key: string, value: string][] {
  const [, key, rest = ""] = /^\s*([\w.]+)\s*=\s*(.*)$/.exec(line) ?? [];
  if (key === undefined) return [];
  const inline = /^\{(.*)\}/.exec(rest)?.[1];
  if (inline === undefined) return [[key, readValue(rest)]];
  return [...inline.matchAll(/([\w.]+)\s*=\s*("[^"]*"|'[^']*'|[^,\s]+)/g)]
    .map(([, own = "", value = ""]) => [`${key}.${own}`, readValue(value)]);
}

/** Without quotes and the comment behind it. */
function readValue(text: string): string {
  const [, double, single, bare = ""] = /^(?:"([^"]*)"|'([^']*)'|([^#\s,]*))/.exec(text) ?? [];
  return double ?? single ?? bare;
}
