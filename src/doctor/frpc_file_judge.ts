import type { ExpectedProxy } from "./frpc_status.ts";
import { type FileEntry, type FileProxy, type FrpcFile, valueOf } from "./frpc_file.ts";
import { type CheckResult, failed, warning } from "./result.ts";

const PROXY_PROTOCOL = "transport.proxyProtocolVersion";
const BANDWIDTH = "transport.bandwidthLimit";

/** Reports settings in frpc.toml that break or slow a proxy of Pinhole. Pure. */
export function judgeFile(file: FrpcFile, expected: readonly ExpectedProxy[]): CheckResult[] {
  return file.proxies.flatMap((proxy) => {
    const { name, type, entries } = proxy;
    const ours = expected.find(({ protocol, name: ownName, localPort }) =>
      protocol === type && (ownName === name || String(localPort) === valueOf(entries, "localPort"))
    );
    if (ours === undefined) return [];
    // A bandwidth limit is harmless for signalling.
    return [...judgeHeaders(proxy), ...(ours.mayDiffer ? [] : judgeBandwidth(proxy))];
  });
}

function judgeHeaders(proxy: FileProxy): CheckResult[] {
  const entry = findSet(proxy, PROXY_PROTOCOL);
  if (entry === undefined) return [];
  const { name, type } = proxy;
  const what = type === "udp"
    ? "frpc adds a header to each packet, and no browser can connect"
    : "frpc adds a header to each connection, which Pinhole does not accept";
  return [failed("frpc", {
    subject: name,
    text: `Proxy ${name} has ${PROXY_PROTOCOL} = "${entry.value}": ${what}`,
    fix: `Delete line ${entry.line} of frpc.toml (${PROXY_PROTOCOL}) and run \`frpc reload\``,
    values: { line: entry.line },
  })];
}

function judgeBandwidth(proxy: FileProxy): CheckResult[] {
  const entry = findSet(proxy, BANDWIDTH);
  if (entry === undefined) return [];
  const { name } = proxy;
  return [warning("frpc", {
    subject: name,
    text: `Proxy ${name} has ${BANDWIDTH} = "${entry.value}": frpc queues media packets for ` +
      "seconds instead of dropping them",
    fix: `Delete line ${entry.line} of frpc.toml (${BANDWIDTH}); limit the rate with ` +
      "video.bitrate_kbps",
    values: { line: entry.line },
  })];
}

function findSet({ entries }: FileProxy, key: string): FileEntry | undefined {
  return entries.find((entry) => entry.key === key && entry.value !== "");
}
