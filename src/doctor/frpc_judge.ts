import { formatHostPort } from "../base/host_port.ts";
import type { ExpectedProxy, FrpcAnswer, FrpcClient, RunningProxy } from "./frpc_status.ts";
import { type CheckResult, failed, ok, warning } from "./result.ts";
import { type FileEntry, type FileProxy, type FrpcFile, valueOf } from "./frpc_file.ts";

/** What {@link judgeFrpc} expects of frpc. */
export interface FrpcExpected {
  readonly expected: readonly ExpectedProxy[];
  /** Whether the admin APIs were named by option, so that each must answer; otherwise one of them is enough. */
  readonly areNamed: boolean;
  /** The public address, if nothing answers there; absent if something does, or none is configured. */
  readonly silentHost?: string;
}

/**
 * Compares frpc's proxies with those that the configuration requires. Results that explain others come first. Pure.
 * @param answers One for each admin API, by its URL: media and signalling may have separate clients.
 */
export function judgeFrpc(
  answers: ReadonlyMap<string, FrpcAnswer>,
  { expected, areNamed, silentHost }: FrpcExpected,
): CheckResult[] {
  const clients = [...answers]
    .flatMap(([url, answer]) => answer.kind === "proxies" ? [{ url, ...answer }] : []);
  if (clients.length === 0) return [judgeSilence(answers, silentHost)];
  const running = clients.flatMap(({ proxies }) => proxies);
  const cutOff = clients.flatMap((client) =>
    judgeLogin(client, { isReached: silentHost === undefined })
  );
  if (running.length === 0) return cutOff;
  const spoilt = clients.flatMap(({ file }) => file === undefined ? [] : judgeFile(file, expected));
  const context = { expected, running };
  const shifted = judgeShift(context);
  const wrong = shifted ?? expected.flatMap((proxy) => judgeProxy(proxy, context));
  const silent = [...answers].filter(([, { kind }]) =>
    // A client that refuses the request may have the proxies that seem to be missing.
    kind !== "proxies" && (areNamed || (kind === "unauthorized" && wrong.length > 0))
  );
  const complaints = [
    ...cutOff,
    ...silent.map((entry) => judgeSilence(new Map([entry]), undefined)),
    ...spoilt.filter(({ status }) => status === "failed"),
    ...wrong,
    ...spoilt.filter(({ status }) => status === "warning"),
  ];
  if (complaints.length > 0) return complaints;
  return [ok("frpc", `${expected.length} proxies run; their ports match the configuration`, {
    values: { proxies: expected.length },
  })];
}

/** Reports why a client is not logged in, or has just lost frps. */
function judgeLogin(
  { url, proxies, frps }: FrpcClient & { readonly url: string },
  { isReached }: { isReached: boolean },
): CheckResult[] {
  const isIdle = proxies.length === 0;
  // It may reach frps by a path that this host cannot use directly, such as transport.proxyURL.
  if (!isIdle && isReached) return [];
  const state = isIdle
    ? `frpc is running (admin API ${url}), but is not logged in to frps`
    : `frpc is running (admin API ${url}), but has lost its connection to frps`;
  if (frps === undefined || frps.found.kind === "unknown") {
    return isIdle
      ? [failed("frpc", {
        text: `${state}, or has no proxies`,
        fix:
          "frpc's log has the reason, usually one of: frps does not run, a firewall blocks it, " +
          "serverAddr, serverPort or auth.token is wrong",
      })]
      : [];
  }
  const { address: { hostname, port, tcpMux }, found } = frps;
  const place = formatHostPort(hostname, port);
  if (found.kind === "refused") {
    return [failed("frpc", {
      text: `${state}: ${place} refuses connections`,
      fix:
        "Either frps does not run (start it on the public server with `frps -c frps.toml`), or " +
        "serverPort is wrong",
    })];
  }
  if (found.kind === "silent") {
    return [failed("frpc", {
      text: `${state}: connections to ${place} time out`,
      fix:
        `A firewall drops the packets, or serverAddr is wrong: allow TCP ${port} on the public ` +
        "server and at its provider",
    })];
  }
  if (!isIdle || found.kind !== "answers") return [];
  if (found.tcpMux !== undefined && found.tcpMux !== tcpMux) {
    return [failed("frpc", {
      text: `${state}: transport.tcpMux is ${tcpMux} in frpc.toml and ${found.tcpMux} in frps.toml`,
      fix: "Give transport.tcpMux the same value in both files; true is the default",
    })];
  }
  return [failed("frpc", {
    text: `${state}: frps at ${place} answers, but refuses the login`,
    fix: "auth.token (the variable FRP_TOKEN) must be the same for frpc and frps; frpc's log has " +
      "the answer of frps",
  })];
}

/** Reports admin APIs without an answer; one that requires a password comes before those that are unreachable. */
function judgeSilence(
  answers: ReadonlyMap<string, FrpcAnswer>,
  silentHost: string | undefined,
): CheckResult {
  const refusing = [...answers].find(([, { kind }]) => kind === "unauthorized");
  if (refusing !== undefined) {
    return warning("frpc", {
      text: `The admin API at ${refusing[0]} requires a user and a password`,
      fix: "Set FRPC_ADMIN_PASSWORD, and FRPC_ADMIN_USER if frpc has one, to the values of frpc",
    });
  }
  const silent = [...answers].map(([url, answer]) =>
    "reason" in answer ? `${url} (${answer.reason})` : url
  );
  const text = `No frpc found at ${silent.join(" and ")}`;
  if (silentHost !== undefined) {
    return failed("frpc", {
      text: `frpc does not run here: ${lowered(text)}, and ${silentHost} does not answer at all`,
      fix:
        "If frp is the tunnel, start frpc: `frpc -c frpc.toml` (`pinhole frpc` prints the file). " +
        "With FRPC_ADMIN_PASSWORD set, the doctor can query its admin API; --frpc-admin sets " +
        "another address",
    });
  }
  return warning("frpc", {
    text,
    fix: "If frp is the tunnel, start frpc with FRPC_ADMIN_PASSWORD set, which turns on its " +
      "admin API; --frpc-admin sets another address",
  });
}

function lowered(text: string): string {
  return `${text.charAt(0).toLowerCase()}${text.slice(1)}`;
}

interface Proxies {
  readonly expected: readonly ExpectedProxy[];
  readonly running: readonly RunningProxy[];
}

/**
 * If every media port is mapped with the same offset, the configuration key is wrong, not each proxy.
 */
function judgeShift({ expected, running }: Proxies): CheckResult[] | undefined {
  const media = expected.filter(({ mayDiffer }) => !mayDiffer);
  const offsets = media.map(({ protocol, localPort, publicPort }) => {
    const found = running.find((proxy) =>
      proxy.protocol === protocol && proxy.localPort === localPort
    );
    return (found?.remotePort ?? Number.NaN) - publicPort;
  });
  const [offset = 0] = offsets;
  const planned = new Set(media.map(({ localPort, publicPort }) => publicPort - localPort));
  if (
    media.length < 2 || planned.size > 1 || !offset || offsets.some((other) => other !== offset)
  ) return undefined;
  const ports = (by: number) => {
    const all = media.map(({ publicPort }) => publicPort + by);
    return `${Math.min(...all)}-${Math.max(...all)}`;
  };
  const first = Math.min(...media.map(({ publicPort }) => publicPort)) + offset;
  const others = expected.filter(({ mayDiffer }) => mayDiffer);
  return [
    failed("frpc", {
      text: `frpc maps public ports ${ports(offset)} for media, but webrtc.public_port_min sends ` +
        `browsers to ${ports(0)}`,
      fix: `Set webrtc.public_port_min = ${first}, or use the proxies that \`pinhole frpc\` prints`,
      values: { public_port_min: first },
    }),
    ...others.flatMap((proxy) => judgeProxy(proxy, { expected, running })),
  ];
}

/** The proxy with both ports, else the one with the name, else an unrelated one with either port. */
function findProxy(
  { name, protocol, localPort, publicPort }: ExpectedProxy,
  { expected, running }: Proxies,
): RunningProxy | undefined {
  const proxies = running.filter((proxy) => proxy.protocol === protocol);
  const others = proxies.filter((proxy) => expected.every(({ name }) => name !== proxy.name));
  return proxies.find((proxy) =>
    proxy.localPort === localPort && proxy.remotePort === publicPort
  ) ??
    proxies.find((proxy) => proxy.name === name) ??
    others.find((proxy) => proxy.localPort === localPort || proxy.remotePort === publicPort);
}

/** The fix for a proxy that frps refused, by the error of frps. */
function refusalFix(error: string): string | undefined {
  if (/port (already used|unavailable)/.test(error)) {
    return "Another proxy, or another program on the public server, uses that port: stop it, or " +
      "choose other public ports";
  }
  if (/port not allowed/.test(error)) {
    return "allowPorts in frps.toml does not include that port; `pinhole frpc --frps` prints the line";
  }
  if (/already exists/.test(error)) {
    return "Another frpc has a proxy with that name at this frps: stop it, or set `user` in frpc.toml";
  }
  if (/cannot assign requested address/.test(error)) {
    return "proxyBindAddr in frps.toml is not an address of the public server: correct or delete it";
  }
  return undefined;
}

const PRINTED = "`pinhole frpc` prints the proxies that match the configuration";

function judgeProxy(expected: ExpectedProxy, context: Proxies): CheckResult[] {
  const { name, protocol, localPort, publicPort, mayDiffer } = expected;
  const mapping = `public port ${publicPort} to local port ${localPort}`;
  const found = findProxy(expected, context);
  if (found === undefined) {
    const text = `No ${protocol} proxy forwards ${mapping}`;
    return [failed("frpc", { subject: name, text, fix: PRINTED })];
  }
  const subject = found.name;
  if (found.status !== "running" || found.error !== "") {
    const text = `Proxy ${subject} does not run: ${found.error || found.status}`;
    const fix = refusalFix(found.error) ?? `frpc's log has details; ${PRINTED}`;
    return [failed("frpc", { subject, text, fix })];
  }
  const { localPort: local, remotePort: remote } = found;
  // frpc reports no remote port if frps chose it, or if there is none.
  const isRight = local === localPort && (remote === publicPort || remote === undefined);
  if (isRight) return judgeLocalAddress(expected, found);
  const text = `Proxy ${subject} forwards public port ${remote ?? "?"} to local port ` +
    `${local ?? "?"}; the configuration expects ${mapping}`;
  if (mayDiffer && local === localPort) {
    return [
      warning("frpc", { subject, text, fix: `Without another proxy in between: ${PRINTED}` }),
    ];
  }
  return [failed("frpc", { subject, text, fix: PRINTED })];
}

/** frpc connects to localIP, so the server must listen there. */
function judgeLocalAddress(
  { listen, listenKey, localPort }: ExpectedProxy,
  { name, localHost }: RunningProxy,
): CheckResult[] {
  if (localHost === undefined || takes(listen, localHost)) return [];
  const reachable = listen.includes(":") ? "::1" : listen;
  return [failed("frpc", {
    subject: name,
    text: `Proxy ${name} forwards to port ${localPort} of ${localHost} (its localIP), but ` +
      `${listenKey} is ${listen}, which does not accept that`,
    fix: `Set localIP = "${
      listen === "::" ? reachable : listen
    }" in frpc.toml, or ${listenKey} to ${localHost}`,
  })];
}

/** Whether a listener on one address receives packets to another; true for host names, whose address is not known. */
function takes(listen: string, host: string): boolean {
  const isAddress = (text: string) => /^[\d.]+$/.test(text) || text.includes(":");
  const wanted = host === "localhost" ? "127.0.0.1" : host;
  if (!isAddress(wanted) || !isAddress(listen) || /^[0:]+$/.test(listen)) return true;
  if (listen === "0.0.0.0") return !wanted.includes(":");
  return normal(listen) === normal(wanted);
}

function normal(address: string): string {
  return address.includes(":") ? new URL(`http://[${address}]`).hostname : address;
}

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
