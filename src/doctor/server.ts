import { type HttpReply, request } from "./http.ts";
import { type CheckResult, failed, ok, warning } from "./result.ts";
import type { PortHolder } from "./sockets.ts";

/** A port as the server announces it in a path check. */
export interface CheckedPort {
  readonly localPort: number;
  readonly transports: readonly string[];
  readonly ufrag: string;
  readonly pwd: string;
}

/** A path check of a server. */
export interface OpenCheck {
  readonly id: string;
  readonly ports: readonly CheckedPort[];
}

/** What has arrived for one port of a path check. */
export interface Arrivals {
  /** The port that it was meant for. */
  readonly localPort: number;
  readonly arrivals: readonly {
    readonly localPort: number;
    readonly transport: string;
    /** Such as `127.0.0.1:40123`. */
    readonly from: string;
  }[];
}

/** How this host's own server is spoken to. */
export interface LocalServer {
  /** Such as `http://127.0.0.1:9000`. */
  readonly origin: string;
  readonly token: string | undefined;
}

const DEADLINE_MS = 2_000;

/**
 * What is at the address of this host's server: it, nothing, something else that takes connections, or what does not even
 * refuse, as over a loopback whose packets are dropped.
 */
export type Presence = "running" | "absent" | "taken" | "silent";

/** Looks for a server of ours. */
export async function lookForServer(origin: string): Promise<Presence> {
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
      transports: Array.isArray(port.transports) ? port.transports.map(String) : [],
      ufrag: String(port.ufrag),
      pwd: String(port.pwd),
    })),
  }));
}

/** Asks what has arrived. */
export async function readArrivals(
  { origin }: LocalServer,
  id: string,
): Promise<readonly Arrivals[] | { readonly problem: string }> {
  const url = `${origin}/api/path-check/${encodeURIComponent(id)}`;
  const reply = await request(url, { takesAnyCertificate: true, deadlineMs: DEADLINE_MS });
  return "problem" in reply ? reply : readReport(reply);
}

/** Reads the answer to `GET /api/path-check/<id>`. Pure. */
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
    return { problem: `HTTP ${status}, and no answer of Pinhole` };
  }
}

function listOf(value: unknown): readonly Fields[] {
  if (!Array.isArray(value)) throw new TypeError("No list");
  return value;
}

/** How the server came about that the other checks work with. */
export type ServerFound =
  /** It was running, and has these ports. */
  | { readonly kind: "running"; readonly ports: readonly number[] }
  /** It is running, and starts no path check. */
  | { readonly kind: "unhelpful"; readonly reason: string }
  /** None was running; the doctor started one. */
  | { readonly kind: "started" }
  | { readonly kind: "none"; readonly reason: string };

/** Says which server the other checks speak of. Pure. */
export function judgeServer(
  found: ServerFound,
  context: {
    /** Such as `127.0.0.1:9000`. */
    readonly address: string;
    readonly portMin: number;
    readonly portMax: number;
    readonly holder: PortHolder | undefined;
  },
): CheckResult | undefined {
  const { address, portMin, portMax, holder } = context;
  const { process } = holder ?? {};
  const by = process === undefined ? "" : ` (${process.name}, process ${process.pid})`;
  switch (found.kind) {
    // What judgeAbsence has said.
    case "started":
      return undefined;
    case "running": {
      const others = found.ports.filter((port) => port < portMin || port > portMax);
      if (others.length === 0) return ok("server", `Running at ${address}${by}`);
      return warning("server", {
        text: `The server at ${address}${by} has other media ports: ${others.join(", ")}`,
        fix: "Give the doctor the configuration of that server with --config, or restart it",
      });
    }
    case "unhelpful":
      return failed("server", {
        text: `The server at ${address}${by} starts no path check: ${found.reason}`,
        fix: "Mend what the line says. With an access token, auth.secret_file must be that of " +
          "the running server; after an update, restart it",
      });
    case "none":
      return failed("server", {
        text: `No server runs at ${address}, and none can be started: ${found.reason}${by}`,
        fix: "Mend what the line says, and run `pinhole serve`",
      });
  }
}

/** Says that no server runs, before anything else is told. Pure. */
export function judgeAbsence(address: string, { mustRun }: { mustRun: boolean }): CheckResult {
  const told = {
    text: `No server runs at ${address}: started one for these checks`,
    fix: "Run `pinhole serve`; what follows holds for the server that the doctor starts, and ends",
  };
  return mustRun ? failed("server", told) : warning("server", told);
}

/** Says that this host drops what it sends to itself. Pure. */
export function judgeLoopback(address: string): CheckResult {
  return failed("firewall", {
    text:
      `${address} is silent, and does not even refuse: a firewall of this host drops packets to ` +
      "itself, also those of the tunnel client",
    fix:
      "Accept loopback before what drops, as in `nft insert rule inet filter input iif lo accept`; " +
      "`sudo nft list ruleset` shows the rules",
  });
}
