import { type HttpReply, request } from "./http.ts";
import { type CheckResult, failed, ok, warning } from "./result.ts";

/** A proxy that the configuration asks for. */
export interface ExpectedProxy {
  /** The name that `pinhole frpc` gives it. */
  readonly name: string;
  readonly protocol: "tcp" | "udp";
  readonly localPort: number;
  readonly publicPort: number;
  /** Whether a proxy in front may give browsers another port than this one, as one that ends TLS does. */
  readonly mayDiffer: boolean;
}

/** A proxy as frpc tells of it. */
export interface RunningProxy {
  readonly name: string;
  readonly protocol: string;
  /** Such as `running`, or `start error`. */
  readonly status: string;
  /** Why it does not run; empty when it does. */
  readonly error: string;
  readonly localPort: number | undefined;
  readonly remotePort: number | undefined;
}

/** What an admin API said. */
export type FrpcAnswer =
  | { readonly kind: "proxies"; readonly proxies: readonly RunningProxy[] }
  | { readonly kind: "unreachable"; readonly reason: string }
  | { readonly kind: "unauthorized" }
  | { readonly kind: "strange"; readonly reason: string };

/** How {@link askFrpc} asks. */
export interface FrpcRequest {
  /** `user:password` */
  readonly credentials: string | undefined;
  readonly deadlineMs: number;
}

/** Asks frpc's admin API at `url` (`http://127.0.0.1:7400`) for its proxies. Never rejects. */
export async function askFrpc(url: string, asked: FrpcRequest): Promise<FrpcAnswer> {
  const reply = await request(new URL("/api/status", url).href, asked);
  return "problem" in reply
    ? { kind: "unreachable", reason: reply.problem }
    : readFrpcStatus(reply);
}

/** Reads the answer to `GET /api/status` of frp 0.66: proxies by their type. Pure. */
export function readFrpcStatus({ status, body }: Pick<HttpReply, "status" | "body">): FrpcAnswer {
  if (status === 401 || status === 403) return { kind: "unauthorized" };
  if (status !== 200) return { kind: "strange", reason: `it answers with HTTP ${status}` };
  try {
    const groups: unknown = JSON.parse(body);
    if (typeof groups !== "object" || groups === null) throw new TypeError("no object");
    const proxies = Object.entries(groups).flatMap(([protocol, entries]) =>
      (entries as Record<string, unknown>[]).map((entry) => readProxy(protocol, entry))
    );
    return { kind: "proxies", proxies };
  } catch {
    return { kind: "strange", reason: "its answer is not frpc's" };
  }
}

function readProxy(protocol: string, entry: Record<string, unknown>): RunningProxy {
  return {
    name: String(entry.name),
    protocol,
    status: String(entry.status),
    error: String(entry.err ?? ""),
    localPort: portOf(entry.local_addr),
    remotePort: portOf(entry.remote_addr),
  };
}

function portOf(address: unknown): number | undefined {
  const digits = /:(\d+)$/.exec(String(address))?.[1];
  return digits === undefined ? undefined : Number(digits);
}

/** What {@link judgeFrpc} compares with. */
export interface FrpcExpected {
  readonly expected: readonly ExpectedProxy[];
  /** Whether somebody named the admin APIs, so that each has to answer; else one of them may be all there is. */
  readonly areNamed: boolean;
}

/**
 * Compares what frpc has with what the configuration needs. Pure.
 * @param answers One for each admin API that was asked, by its URL: media and signalling may have a client each.
 */
export function judgeFrpc(
  answers: ReadonlyMap<string, FrpcAnswer>,
  { expected, areNamed }: FrpcExpected,
): CheckResult[] {
  const clients = [...answers]
    .flatMap(([url, answer]) => answer.kind === "proxies" ? [{ url, ...answer }] : []);
  if (clients.length === 0) return [judgeSilence(answers)];
  const running = clients.flatMap(({ proxies }) => proxies);
  const idle = clients.filter(({ proxies }) => proxies.length === 0).map(judgeIdle);
  if (running.length === 0) return idle;
  const wrong = expected.flatMap((proxy) => judgeProxy(proxy, { expected, running }));
  const silent = [...answers].filter(([, { kind }]) =>
    // One that refuses us may have what seems to be missing.
    kind !== "proxies" && (areNamed || (kind === "unauthorized" && wrong.length > 0))
  );
  const complaints = [
    ...idle,
    ...silent.map((entry) => judgeSilence(new Map([entry]))),
    ...wrong,
  ];
  if (complaints.length > 0) return complaints;
  return [ok("frpc", `${expected.length} proxies run, with the ports of the configuration`, {
    values: { proxies: expected.length },
  })];
}

function judgeIdle({ url }: { url: string }): CheckResult {
  return failed("frpc", {
    text: `frpc is running (admin API ${url}), but is not logged in to frps, or has no proxies`,
    fix: "frpc's log says why; usual are an frps that does not run or that a firewall hides, and " +
      "another serverAddr, serverPort or auth.token",
  });
}

/** The API that refused us says more than one where nobody listens. */
function judgeSilence(answers: ReadonlyMap<string, FrpcAnswer>): CheckResult {
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
  return warning("frpc", {
    text: `No frpc is seen at ${silent.join(" and ")}`,
    fix: "Where frp is the tunnel, start frpc with FRPC_ADMIN_PASSWORD set, which turns on its " +
      "admin API; --frpc-admin names another address",
  });
}

interface Proxies {
  readonly expected: readonly ExpectedProxy[];
  readonly running: readonly RunningProxy[];
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
  return undefined;
}

function judgeProxy(expected: ExpectedProxy, context: Proxies): CheckResult[] {
  const { name, protocol, localPort, publicPort, mayDiffer } = expected;
  const way = `public port ${publicPort} to local port ${localPort}`;
  const fix = "`pinhole frpc` prints the proxies that match the configuration";
  const found = findProxy(expected, context);
  if (found === undefined) {
    return [failed("frpc", { subject: name, text: `No ${protocol} proxy leads ${way}`, fix })];
  }
  const subject = found.name;
  if (found.status !== "running" || found.error !== "") {
    const text = `The proxy ${subject} does not run: ${found.error || found.status}`;
    return [
      failed("frpc", {
        subject,
        text,
        fix: refusalFix(found.error) ?? `frpc's log says more; ${fix}`,
      }),
    ];
  }
  const { localPort: local, remotePort: remote } = found;
  // frpc tells no remote port where frps chose it, or where it has none.
  const isRight = local === localPort && (remote === publicPort || remote === undefined);
  if (isRight) return [];
  const text = `The proxy ${subject} leads public port ${remote ?? "?"} to local port ` +
    `${local ?? "?"}; the configuration has ${way}`;
  if (mayDiffer && local === localPort) {
    return [warning("frpc", { subject, text, fix: `If nothing stands in between: ${fix}` })];
  }
  return [failed("frpc", { subject, text, fix })];
}
