import { type FrpcFile, readFrpcFile } from "./frpc_file.ts";
import { type FrpsAddress, type FrpsFound, frpsOf, probeFrps } from "./frps.ts";
import { type HttpReply, request } from "./http.ts";

/** A proxy that the configuration requires. */
export interface ExpectedProxy {
  /** The name that `pinhole frpc` gives it. */
  readonly name: string;
  readonly protocol: "tcp" | "udp";
  /** Local address on which the server receives from the proxy; `0.0.0.0` or `::` for every address. */
  readonly listen: string;
  /** Configuration key of `listen`. */
  readonly listenKey: string;
  readonly localPort: number;
  readonly publicPort: number;
  /** Whether browsers may use another public port, as with a TLS-terminating proxy in front. */
  readonly mayDiffer: boolean;
}

/** A proxy as frpc reports it. */
export interface RunningProxy {
  readonly name: string;
  readonly protocol: string;
  /** Such as `running`, or `start error`. */
  readonly status: string;
  /** Why it does not run; empty if it runs. */
  readonly error: string;
  /** Destination address: `localIP` of frpc.toml. */
  readonly localHost: string | undefined;
  readonly localPort: number | undefined;
  readonly remotePort: number | undefined;
}

/** An frp client as its admin API reports it. */
export interface FrpcClient {
  readonly kind: "proxies";
  readonly proxies: readonly RunningProxy[];
  /** Its configuration file; absent if the API does not return it. */
  readonly file?: FrpcFile;
  /** The frps that the file names, and the result of probing it. */
  readonly frps?: { readonly address: FrpsAddress; readonly found: FrpsFound };
}

/** Result of querying an admin API. */
export type FrpcAnswer =
  | FrpcClient
  | { readonly kind: "unreachable"; readonly reason: string }
  | { readonly kind: "unauthorized" }
  | { readonly kind: "strange"; readonly reason: string };

/** Time limit for frps, in milliseconds: it accepts or refuses within a round trip. */
const FRPS_MS = 2_500;

/** Options of {@link askFrpc}. */
export interface FrpcRequest {
  /** `user:password` */
  readonly credentials: string | undefined;
  readonly deadlineMs: number;
}

/**
 * Queries frpc's admin API at `url` (`http://127.0.0.1:7400`) for its proxies and its file, and probes the frps that
 * the file names. Never rejects.
 */
export async function askFrpc(url: string, asked: FrpcRequest): Promise<FrpcAnswer> {
  const reply = await request(new URL("/api/status", url).href, asked);
  if ("problem" in reply) return { kind: "unreachable", reason: reply.problem };
  const answer = readFrpcStatus(reply);
  if (answer.kind !== "proxies") return answer;
  const config = await request(new URL("/api/config", url).href, asked);
  if (!("status" in config) || config.status !== 200) return answer;
  const file = readFrpcFile(config.body);
  // Not TOML, or not a file of frpc.
  if (file.entries.length === 0) return answer;
  const address = frpsOf(file);
  return {
    ...answer,
    file,
    frps: { address, found: await probeFrps(address, { deadlineMs: FRPS_MS }) },
  };
}

/** Reads the answer to `GET /api/status` of frp 0.66: proxies by their type. Pure. */
export function readFrpcStatus({ status, body }: Pick<HttpReply, "status" | "body">): FrpcAnswer {
  if (status === 401 || status === 403) return { kind: "unauthorized" };
  if (status !== 200) return { kind: "strange", reason: `HTTP ${status}` };
  try {
    const groups: unknown = JSON.parse(body);
    if (typeof groups !== "object" || groups === null) throw new TypeError("no object");
    const proxies = Object.entries(groups).flatMap(([protocol, entries]) =>
      (entries as Record<string, unknown>[]).map((entry) => readProxy(protocol, entry))
    );
    return { kind: "proxies", proxies };
  } catch {
    return { kind: "strange", reason: "the answer is not from frpc" };
  }
}

function readProxy(protocol: string, entry: Record<string, unknown>): RunningProxy {
  return {
    name: String(entry.name),
    protocol,
    status: String(entry.status),
    error: String(entry.err ?? ""),
    localHost: hostOf(entry.local_addr),
    localPort: portOf(entry.local_addr),
    remotePort: portOf(entry.remote_addr),
  };
}

function portOf(address: unknown): number | undefined {
  const digits = /:(\d+)$/.exec(String(address))?.[1];
  return digits === undefined ? undefined : Number(digits);
}

function hostOf(address: unknown): string | undefined {
  const host = /^(.+):\d+$/.exec(String(address))?.[1];
  return host?.replace(/^\[(.*)\]$/, "$1");
}
