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

/** Whether a server of ours answers there. */
export async function isRunning(origin: string): Promise<boolean> {
  const reply = await request(`${origin}/healthz`, {
    takesAnyCertificate: true,
    deadlineMs: DEADLINE_MS,
  });
  return "status" in reply && reply.status === 200 && reply.body.trim() === "ok";
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
): CheckResult {
  const { address, portMin, portMax, holder } = context;
  const { process } = holder ?? {};
  const by = process === undefined ? "" : ` (${process.name}, process ${process.pid})`;
  switch (found.kind) {
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
    case "started":
      return ok("server", `None runs at ${address}: started one for these checks`);
    case "none":
      return failed("server", {
        text: `No server runs at ${address}, and none can be started: ${found.reason}${by}`,
        fix: "Mend what the line says, and run `pinhole serve`",
      });
  }
}
