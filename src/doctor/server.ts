import type { PortTransport } from "../base/public_ports.ts";
import { type HttpReply, request } from "./http.ts";
import { type CheckResult, failed, ok, warning } from "./result.ts";
import type { PortHolder } from "./sockets.ts";

/** A port as the server announces it in a path check. */
export interface CheckedPort {
  readonly localPort: number;
  readonly transports: readonly PortTransport[];
  readonly ufrag: string;
  readonly pwd: string;
}

/** A path check of a server. */
export interface OpenCheck {
  readonly id: string;
  readonly ports: readonly CheckedPort[];
}

/** Requests that arrived for one port of a path check. */
export interface Arrivals {
  /** The port that the requests were sent for. */
  readonly localPort: number;
  readonly arrivals: readonly {
    readonly localPort: number;
    readonly transport: string;
    /** Such as `127.0.0.1:40123`. */
    readonly from: string;
  }[];
}

/** Access to this host's own server. */
export interface LocalServer {
  /** Such as `http://127.0.0.1:9000`. */
  readonly origin: string;
  readonly token: string | undefined;
}

const DEADLINE_MS = 2_000;

/**
 * What is at the address of this host's server. `running`: the server. `absent`: nothing. `taken`: another program.
 * `silent`: connections time out, because loopback packets are dropped.
 */
export type ServerState = "running" | "absent" | "taken" | "silent";

/** Checks whether a Pinhole server runs at an origin. */
export async function lookForServer(origin: string): Promise<ServerState> {
  const reply = await request(`${origin}/healthz`, {
    takesAnyCertificate: true,
    deadlineMs: DEADLINE_MS,
  });
  if ("status" in reply) {
    return reply.status === 200 && reply.body.trim() === "ok" ? "running" : "taken";
  }
  if (reply.cause === "silent") return "silent";
  return reply.cause === "refused" || reply.cause === "other" ? "absent" : "taken";
}

/** Starts a path check. */
export async function openCheck(
  { origin, token }: LocalServer,
): Promise<OpenCheck | { readonly problem: string }> {
  const reply = await request(`${origin}/api/path-check`, {
    method: "POST",
    token,
    takesAnyCertificate: true,
    deadlineMs: DEADLINE_MS,
  });
  if ("problem" in reply) return reply;
  return readDocument(reply, 201, ({ id, ports }) => ({
    id: String(id),
    ports: listOf(ports).map((port) => ({
      localPort: Number(port.local_port),
      transports: TRANSPORTS.filter((each) =>
        Array.isArray(port.transports) && port.transports.includes(each)
      ),
      ufrag: String(port.ufrag),
      pwd: String(port.pwd),
    })),
  }));
}

/** Reads which requests of a path check arrived. */
export async function readArrivals(
  { origin }: LocalServer,
  id: string,
): Promise<readonly Arrivals[] | { readonly problem: string }> {
  const url = `${origin}/api/path-check/${encodeURIComponent(id)}`;
  const reply = await request(url, { takesAnyCertificate: true, deadlineMs: DEADLINE_MS });
  return "problem" in reply ? reply : readReport(reply);
}

/** Parses the answer to `GET /api/path-check/<id>`. Pure. */
export function readReport(reply: HttpReply): readonly Arrivals[] | { readonly problem: string } {
  return readDocument(reply, 200, ({ ports }) =>
    listOf(ports).map((port) => ({
      localPort: Number(port.local_port),
      arrivals: listOf(port.arrivals).map((arrival) => ({
        localPort: Number(arrival.local_port),
        transport: String(arrival.transport),
        from: String(arrival.from),
      })),
    })));
}

const TRANSPORTS = ["udp", "tcp"] as const;

type Fields = Readonly<Record<string, unknown>>;

function readDocument<Read>(
  { status, body }: HttpReply,
  expectedStatus: number,
  read: (fields: Fields) => Read,
): Read | { readonly problem: string } {
  try {
    const fields: Fields = JSON.parse(body);
    if (status === expectedStatus) return read(fields);
    return { problem: `HTTP ${status}: ${fields.message}` };
  } catch {
    return { problem: `HTTP ${status}, and not from Pinhole` };
  }
}

function listOf(value: unknown): readonly Fields[] {
  if (!Array.isArray(value)) throw new TypeError("No list");
  return value;
}

/** The server that the other checks use. */
export type ServerFound =
  /** It was running, with these ports. */
  | { readonly kind: "running"; readonly ports: readonly number[] }
  /** It is running, but does not start a path check. */
  | { readonly kind: "unhelpful"; readonly reason: string }
  /** None was running; the doctor started one. */
  | { readonly kind: "started" }
  | { readonly kind: "none"; readonly reason: string };

/** Reports which server the other checks use. Pure. */
export function judgeServer(
  found: ServerFound,
  context: {
    /** Such as `127.0.0.1:9000`. */
    readonly address: string;
    /** The media ports of the configuration. */
    readonly ports: readonly number[];
    readonly holder: PortHolder | undefined;
  },
): CheckResult | undefined {
  const { address, ports, holder } = context;
  const { process } = holder ?? {};
  const by = process === undefined ? "" : ` (${process.name}, process ${process.pid})`;
  switch (found.kind) {
    // Already reported by judgeAbsence.
    case "started":
      return undefined;
    case "running": {
      const others = found.ports.filter((port) => !ports.includes(port));
      if (others.length === 0) return ok("server", `Running at ${address}${by}`);
      return warning("server", {
        text: `The server at ${address}${by} has other media ports: ${others.join(", ")}`,
        fix: "Pass the configuration of that server with --config, or restart the server",
      });
    }
    case "unhelpful":
      return failed("server", {
        text: `The server at ${address}${by} does not start a path check: ${found.reason}`,
        fix: "Fix that problem. With access tokens, auth.secret_file must be that of the running " +
          "server; after an update, restart the server",
      });
    case "none":
      return failed("server", {
        text: `No server runs at ${address}, and none can be started: ${found.reason}${by}`,
        fix: "Fix that problem, then run `pinhole serve`",
      });
  }
}

/** Reports that no server runs; this line comes first. Pure. */
export function judgeAbsence(address: string, { mustRun }: { mustRun: boolean }): CheckResult {
  const told = {
    text: `No server runs at ${address}: started one for these checks`,
    fix: "Run `pinhole serve`; the lines below are about a server that only the doctor runs",
  };
  return mustRun ? failed("server", told) : warning("server", told);
}

/** Reports that this host drops loopback packets. Pure. */
export function judgeLoopback(address: string): CheckResult {
  return failed("firewall", {
    text:
      `${address} does not answer, not even with a refusal: a firewall on this host drops loopback ` +
      "packets, including those of the tunnel client",
    fix:
      "Accept loopback before the rule that drops, as in `nft insert rule inet filter input iif lo " +
      "accept`; `sudo nft list ruleset` shows the rules",
  });
}
