import type { ExpectedProxy } from "./frpc.ts";
import { type FileEntry, type FileProxy, type FrpcFile, valueOf } from "./frpc_file.ts";
import { type CheckResult, failed, warning } from "./result.ts";

const PROXY_PROTOCOL = "transport.proxyProtocolVersion";
const BANDWIDTH = "transport.bandwidthLimit";

/** Names what a proxy of Pinhole's must not, or should not, have in frpc.toml. Pure. */
export function judgeFile(file: FrpcFile, expected: readonly ExpectedProxy[]): CheckResult[] {
  return file.proxies.flatMap((proxy) => {
    const { name, type, entries } = proxy;
    const ours = expected.find(({ protocol, name: ownName, localPort }) =>
      protocol === type && (ownName === name || String(localPort) === valueOf(entries, "localPort"))
    );
    if (ours === undefined) return [];
    // The port of signalling may differ; those of media may not.
    return [...judgeHeaders(proxy), ...(ours.mayDiffer ? [] : judgeBandwidth(proxy))];
  });
}

function judgeHeaders(proxy: FileProxy): CheckResult[] {
  const entry = findSet(proxy, PROXY_PROTOCOL);
  if (entry === undefined) return [];
  const { name, type } = proxy;
  const what = type === "udp"
    ? "puts a header before each packet, and no browser connects"
    : "puts a header before each connection, which Pinhole does not read";
  return [failed("frpc", {
    subject: name,
    text: `The proxy ${name} has ${PROXY_PROTOCOL} = "${entry.value}": it ${what}`,
    fix: `Delete line ${entry.line} of frpc.toml (${PROXY_PROTOCOL}), and \`frpc reload\``,
    values: { line: entry.line },
  })];
}

function judgeBandwidth(proxy: FileProxy): CheckResult[] {
  const entry = findSet(proxy, BANDWIDTH);
  if (entry === undefined) return [];
  const { name } = proxy;
  return [warning("frpc", {
    subject: name,
    text:
      `The proxy ${name} has ${BANDWIDTH} = "${entry.value}": packets of media wait there, for ` +
      "seconds, instead of being dropped",
    fix: `Delete line ${entry.line} of frpc.toml (${BANDWIDTH}); video.bitrate_kbps is the place ` +
      "for a limit",
    values: { line: entry.line },
  })];
}

function findSet({ entries }: FileProxy, key: string): FileEntry | undefined {
  return entries.find((entry) => entry.key === key && entry.value !== "");
}
