import { type PortTransport, transportsOf } from "../base/public_ports.ts";
import { errorText } from "../base/errors.ts";
import { openUdpPort } from "../ports/udp_port.ts";
import { within } from "./deadline.ts";
import type { DoctorPlan, OwnServer } from "./plan.ts";
import type { DoctorRun } from "./run.ts";
import { judgePorts, type LocalPorts } from "./ports.ts";
import { type CheckResult, skipped } from "./result.ts";
import { judgeServer, type OpenCheck, openCheck, type ServerFound } from "./server.ts";
import { findHolders } from "./sockets.ts";
import { judgeEncoder, judgeRenderer, type RendererFound } from "./renderer_judge.ts";

/** Time limit for the start of a server, in milliseconds. */
const START_MS_MAX = 8_000;

/** Time limit for closing the doctor's own server, in milliseconds: the process ends soon anyway. */
const CLOSE_MS_MAX = 3_000;

/** The server used for checking the path. */
export interface CheckedServer {
  readonly origin: string;
  readonly check: OpenCheck;
  /** Whether the doctor started it. */
  readonly isOwn: boolean;
  /** Whether the renderer was not opened here, so that only the session of the doctor's viewer shows its state. */
  readonly isRendererUntold: boolean;
}

/**
 * Checks this host alone: ports, renderer, encoder, and the server, which is started if none runs.
 * @param context.started Closes the started server when disposed.
 * @returns `undefined` if there is no server to check the path with.
 */
export async function* examineHost(
  plan: DoctorPlan,
  { isServerRunning, started, run }: {
    isServerRunning: boolean;
    started: AsyncDisposableStack;
    run: DoctorRun;
  },
): AsyncGenerator<CheckResult, CheckedServer | undefined> {
  const { origin, token, http, media } = plan;
  run.awaits("ports", "the server to report its ports, or local ports to be checked");
  const found = isServerRunning ? await openCheck({ origin, token }) : undefined;
  const { hostname, port } = http;
  const httpHolder = (await findHolders("tcp", { hostname, ports: [port] })).get(port);
  if (found !== undefined && "problem" in found) {
    yield skipped("ports", "The running server does not report its ports");
  } else {
    for (const protocol of new Set(media.ports.flatMap(transportsOf))) {
      const bound = found?.ports.filter(({ transports }) => transports.includes(protocol));
      const ports = bound?.map(({ localPort }) => localPort);
      yield* judgePorts({ ...await lookAtPorts(media, { protocol, bound: ports }), httpHolder });
    }
  }

  const trying = plan.tryEncoder();
  run.awaits("renderer", "the renderer's first frame");
  const renderer = await plan.tryRenderer({ isServerRunning, signal: run.signal });
  run.awaits("encoder", "an encoder to open");
  const encoder = await trying;
  if (renderer.kind !== "untouched") yield judgeRenderer(renderer);
  yield judgeEncoder(encoder);

  run.awaits("server", "the doctor's own server to start");
  const server = found === undefined
    ? await startOwn(plan, { testPattern: renderer.kind === "failed", started })
    : readRunning(origin, found);
  const address = new URL(origin).host;
  const told = judgeServer(server.found, {
    address,
    ports: media.ports.map(({ port }) => port),
    holder: httpHolder,
  });
  if (told !== undefined) yield told;
  if (server.site !== undefined) return { ...server.site, isRendererUntold: isUntold(renderer) };
  if (isUntold(renderer)) yield skipped("renderer", "No server whose pictures can be checked");
  return undefined;
}

function isUntold({ kind }: RendererFound): boolean {
  return kind === "untouched";
}

async function lookAtPorts(
  { listen, ports: planned }: DoctorPlan["media"],
  { protocol, bound }: { protocol: PortTransport; bound: readonly number[] | undefined },
): Promise<Omit<LocalPorts, "httpHolder">> {
  const ports = planned.filter((each) => each[protocol] !== undefined).map(({ port }) => port);
  const holders = await findHolders(protocol, { hostname: listen, ports });
  const refused = new Map<number, string>();
  for (const port of bound === undefined ? ports : []) {
    const refusal = await tryToBind(protocol, { hostname: listen, port });
    if (refusal !== undefined) refused.set(port, refusal);
  }
  return { protocol, ports, bound, refused, holders };
}

/** @returns Why the port cannot be bound, as the end of a sentence; `undefined` if it can. */
async function tryToBind(
  protocol: "tcp" | "udp",
  at: { hostname: string; port: number },
): Promise<string | undefined> {
  try {
    if (protocol === "udp") await openUdpPort(at.hostname, at.port).close();
    else Deno.listen(at).close();
    return undefined;
  } catch (error) {
    return error instanceof Deno.errors.AddrInUse
      ? "is in use by another program"
      : `cannot be bound on ${at.hostname}: ${errorText(error)}`;
  }
}

interface ServerAndSite {
  readonly found: ServerFound;
  readonly site?: Omit<CheckedServer, "isRendererUntold">;
}

function readRunning(
  origin: string,
  check: OpenCheck | { readonly problem: string },
): ServerAndSite {
  if ("problem" in check) return { found: { kind: "unhelpful", reason: check.problem } };
  const ports = check.ports.map(({ localPort }) => localPort);
  return { found: { kind: "running", ports }, site: { origin, check, isOwn: false } };
}

async function startOwn(
  { startServer, token }: DoctorPlan,
  { testPattern, started }: { testPattern: boolean; started: AsyncDisposableStack },
): Promise<ServerAndSite> {
  let server: OwnServer;
  try {
    server = await within(startServer({ testPattern }), {
      ms: START_MS_MAX,
      what: "It did not start",
    });
  } catch (error) {
    return { found: { kind: "none", reason: errorText(error) } };
  }
  started.defer(async () => {
    await within(server.close(), { ms: CLOSE_MS_MAX, what: "It did not end" }).catch(() => {});
  });
  const { origin } = server;
  const check = await openCheck({ origin, token });
  if ("problem" in check) return { found: { kind: "unhelpful", reason: check.problem } };
  return { found: { kind: "started" }, site: { origin, check, isOwn: true } };
}
