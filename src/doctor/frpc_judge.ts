import { formatHostPort } from "../base/host_port.ts";
import type { ExpectedProxy, FrpcAnswer, FrpcClient, RunningProxy } from "./frpc.ts";
import { judgeFile } from "./frpc_file_judge.ts";
import { type CheckResult, failed, ok, warning } from "./result.ts";

/** What {@link judgeFrpc} compares with. */
export interface FrpcExpected {
  readonly expected: readonly ExpectedProxy[];
  /** Whether somebody named the admin APIs, so that each has to answer; else one of them may be all there is. */
  readonly areNamed: boolean;
  /** The public address from which nothing at all comes back; left out where something does, or none is configured. */
  readonly silentHost?: string;
}

/**
 * Compares what frpc has with what the configuration needs. What explains the rest comes first. Pure.
 * @param answers One for each admin API that was asked, by its URL: media and signalling may have a client each.
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
    // One that refuses us may have what seems to be missing.
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
  return [ok("frpc", `${expected.length} proxies run, with the ports of the configuration`, {
    values: { proxies: expected.length },
  })];
}

/** Says why a client is not logged in, or will not be for long. */
function judgeLogin(
  { url, proxies, frps }: FrpcClient & { readonly url: string },
  { isReached }: { isReached: boolean },
): CheckResult[] {
  const isIdle = proxies.length === 0;
  // It may have a way to frps that this host has not, such as transport.proxyURL.
  if (!isIdle && isReached) return [];
  const state = isIdle
    ? `frpc is running (admin API ${url}), but is not logged in to frps`
    : `frpc is running (admin API ${url}), but has lost frps`;
  if (frps === undefined || frps.found.kind === "unknown") {
    return isIdle
      ? [failed("frpc", {
        text: `${state}, or has no proxies`,
        fix: "frpc's log says why; usual are an frps that does not run or that a firewall hides, " +
          "and another serverAddr, serverPort or auth.token",
      })]
      : [];
  }
  const { address: { hostname, port, tcpMux }, found } = frps;
  const place = formatHostPort(hostname, port);
  if (found.kind === "refused") {
    return [failed("frpc", {
      text: `${state}: ${place} refuses connections`,
      fix:
        "That is an frps that does not run, or another serverPort: on the public server, start it " +
        "with `frps -c frps.toml`",
    })];
  }
  if (found.kind === "silent") {
    return [failed("frpc", {
      text: `${state}: ${place} is silent, and does not even refuse`,
      fix:
        `A firewall drops the packets, or serverAddr is another machine's: let TCP ${port} in at ` +
        "the public server and at its provider",
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
    text: `${state}: frps at ${place} answers, and does not let it in`,
    fix:
      "auth.token has to be the same on both ends, which is the variable FRP_TOKEN of frpc and " +
      "that of frps; frpc's log has the words of frps",
  })];
}

/** The API that refused us says more than one where nobody listens. */
function judgeSilence(
  answers: ReadonlyMap<string, FrpcAnswer>,
  silentHost: string | undefined,
): CheckResult {
  const refusing = [...answers].find(([, { kind }]) => kind === "unauthorized");
  if (refusing !== undefined) {
    return warning("frpc", {
      text: `The admin API at ${refusing[0]} wants a user and a password`,
      fix: "Set FRPC_ADMIN_PASSWORD, and FRPC_ADMIN_USER if there is one, to what frpc has",
    });
  }
  const silent = [...answers].map(([url, answer]) =>
    "reason" in answer ? `${url} (${answer.reason})` : url
  );
  const text = `No frpc is seen at ${silent.join(" and ")}`;
  if (silentHost !== undefined) {
    return failed("frpc", {
      text: `frpc does not run here: ${lowered(text)}, and nothing comes back from ${silentHost}`,
      fix:
        "Where frp is the tunnel, start frpc: `frpc -c frpc.toml` (`pinhole frpc` prints the file). " +
        "With FRPC_ADMIN_PASSWORD set, its admin API tells more; --frpc-admin names another address",
    });
  }
  return warning("frpc", {
    text,
    fix: "Where frp is the tunnel, start frpc with FRPC_ADMIN_PASSWORD set, which turns on its " +
      "admin API; --frpc-admin names another address",
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
 * Every media port is mapped, and each to a public port that is off by the same number: then the key is wrong, and not
 * each proxy.
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
  if (media.length < 2 || !offset || offsets.some((other) => other !== offset)) return undefined;
  const ports = (by: number) => {
    const all = media.map(({ publicPort }) => publicPort + by);
    return `${Math.min(...all)}-${Math.max(...all)}`;
  };
  const first = Math.min(...media.map(({ publicPort }) => publicPort)) + offset;
  const others = expected.filter(({ mayDiffer }) => mayDiffer);
  return [
    failed("frpc", {
      text: `frpc maps public ports ${ports(offset)} for media, and webrtc.public_port_min sends ` +
        `browsers to ${ports(0)}`,
      fix:
        `Set webrtc.public_port_min = ${first}, or take the proxies that \`pinhole frpc\` prints`,
      values: { public_port_min: first },
    }),
    ...others.flatMap((proxy) => judgeProxy(proxy, { expected, running })),
  ];
}

/** The one that does it, else the one of its name, else one of another name at either end. */
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

/** What mends a proxy that frps refused, by frps's words. */
function refusalFix(error: string): string | undefined {
  if (/port (already used|unavailable)/.test(error)) {
    return "Another proxy, or another program on the public server, has that port: end it, or choose " +
      "other public ports";
  }
  if (/port not allowed/.test(error)) {
    return "allowPorts of frps.toml leaves that port out; `pinhole frpc --frps` prints the line";
  }
  if (/already exists/.test(error)) {
    return "Another frpc has a proxy of that name at this frps: end it, or set `user` in frpc.toml";
  }
  if (/cannot assign requested address/.test(error)) {
    return "proxyBindAddr of frps.toml is no address of the public server: give it one, or leave it out";
  }
  return undefined;
}

const PRINTED = "`pinhole frpc` prints the proxies that match the configuration";

function judgeProxy(expected: ExpectedProxy, context: Proxies): CheckResult[] {
  const { name, protocol, localPort, publicPort, mayDiffer } = expected;
  const way = `public port ${publicPort} to local port ${localPort}`;
  const found = findProxy(expected, context);
  if (found === undefined) {
    const text = `No ${protocol} proxy leads ${way}`;
    return [failed("frpc", { subject: name, text, fix: PRINTED })];
  }
  const subject = found.name;
  if (found.status !== "running" || found.error !== "") {
    const text = `The proxy ${subject} does not run: ${found.error || found.status}`;
    const fix = refusalFix(found.error) ?? `frpc's log says more; ${PRINTED}`;
    return [failed("frpc", { subject, text, fix })];
  }
  const { localPort: local, remotePort: remote } = found;
  // frpc tells no remote port where frps chose it, or where it has none.
  const isRight = local === localPort && (remote === publicPort || remote === undefined);
  if (isRight) return judgeLocalAddress(expected, found);
  const text = `The proxy ${subject} leads public port ${remote ?? "?"} to local port ` +
    `${local ?? "?"}; the configuration has ${way}`;
  if (mayDiffer && local === localPort) {
    return [warning("frpc", { subject, text, fix: `If nothing stands in between: ${PRINTED}` })];
  }
  return [failed("frpc", { subject, text, fix: PRINTED })];
}

/** frpc comes from the address that it connects to, so the server has to listen there. */
function judgeLocalAddress(
  { listen, listenKey, localPort }: ExpectedProxy,
  { name, localHost }: RunningProxy,
): CheckResult[] {
  if (localHost === undefined || takes(listen, localHost)) return [];
  const reachable = listen.includes(":") ? "::1" : listen;
  return [failed("frpc", {
    subject: name,
    text: `The proxy ${name} leads to port ${localPort} of ${localHost} (its localIP), but ` +
      `${listenKey} has ${listen}, which does not take that`,
    fix: `Set localIP = "${
      listen === "::" ? reachable : listen
    }" in frpc.toml, or ${listenKey} to ${localHost}`,
  })];
}

/** Whether a listener of one address takes what comes to another; names that are not known may be any. */
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
