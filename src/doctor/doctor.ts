import { errorText } from "../base/errors.ts";
import { sleep, SYSTEM_CLOCK } from "../base/clock.ts";
import {
  checkTcpPath,
  checkUdpPath,
  type PathOutcome,
  type PathTarget,
} from "../transport/path_client.ts";
import { isClockSynchronized, judgeClock } from "./clock.ts";
import { judgeFirewall, readFirewalls } from "./firewall.ts";
import { askFrpc, type FrpcAnswer, judgeFrpc } from "./frpc.ts";
import { examineHost, type Site } from "./host.ts";
import { request } from "./http.ts";
import {
  type CheckedPath,
  judgeMapping,
  judgePacketSizes,
  judgePaths,
  judgePublicAddress,
  PACKET_SIZES,
} from "./paths.ts";
import type { DoctorPlan } from "./plan.ts";
import { type CheckResult, failed, ok, skipped } from "./result.ts";
import { type Arrivals, readArrivals } from "./server.ts";
import { judgeSignalling, probeSignalling } from "./signalling.ts";
import { judgeViewer, probeViewer } from "./viewer.ts";

/** Time for each kind of check, in milliseconds: what passes the tunnel at all passes it in less. */
const DEADLINES_MS = { frpc: 2_000, path: 4_000, packetSize: 2_000, warm: 3_000, viewer: 8_000 };

/** How often it is asked whether a server is ready, in milliseconds. */
const READY_INTERVAL_MS = 100;

/**
 * Checks the whole way from the renderer to a browser, from this host outwards, and tells each result as soon as it is
 * known. Checks that need what is missing are skipped.
 */
export async function* examine(plan: DoctorPlan): AsyncGenerator<CheckResult> {
  yield ok("config", `${plan.configSource} is valid`);
  await using started = new AsyncDisposableStack();
  const site = yield* examineHost(plan, started);
  const frpc = askEveryFrpc(plan);
  if (site === undefined) {
    yield* judgeFrpc(await frpc, plan.frpc);
    yield skipped("public_address", "There is no server to check it with");
    return;
  }
  yield* examinePath(plan, { site, frpc });
}

async function askEveryFrpc({ frpc }: DoctorPlan): Promise<Map<string, FrpcAnswer>> {
  const asked = { credentials: frpc.credentials, deadlineMs: DEADLINES_MS.frpc };
  const answers = frpc.urls.map(async (url) => [url, await askFrpc(url, asked)] as const);
  return new Map(await Promise.all(answers));
}

async function* examinePath(
  plan: DoctorPlan,
  { site, frpc }: { site: Site; frpc: Promise<Map<string, FrpcAnswer>> },
): AsyncGenerator<CheckResult> {
  const { publicUrl } = plan;
  const signalling = publicUrl === undefined ? undefined : probeSignalling(publicUrl, {
    checkId: site.check.id,
    webSocketUrl: webSocketUrl(publicUrl, plan),
  });
  const surroundings = Promise.all([readFirewalls(), isClockSynchronized()]);
  const paths = checkPaths(plan, site).catch((error) => ({ problem: errorText(error) }));
  const tunnel = judgeFrpc(await frpc, plan.frpc);
  yield* tunnel;
  const [reached, checked] = await Promise.all([signalling, paths]);
  const told = publicUrl === undefined || reached === undefined
    ? [skipped("signalling", "server.public_url is not set")]
    : judgeSignalling(publicUrl, reached);
  const isSignallingReached = told.every(({ status }) => status !== "failed");
  if ("problem" in checked) {
    const fix = "Set webrtc.public_ip to the public IP address";
    yield failed("public_address", { text: checked.problem, fix });
    yield* told;
  } else {
    yield judgePublicAddress(plan.publicHost, {
      paths: checked.paths,
      signallingHost: publicUrl === undefined || reached === undefined ||
          "problem" in reached.health
        ? undefined
        : new URL(publicUrl).hostname.replace(/^\[(.*)\]$/, "$1"),
      isTunnelBroken: tunnel.some(({ status }) => status === "failed"),
    });
    yield* told;
    yield* judgePaths(checked.paths, checked.arrivals);
    yield* judgeMapping(checked.paths, checked.arrivals);
    yield* examineMedia(plan, { site, checked, isSignallingReached });
  }
  const isReached = "paths" in checked && checked.paths.every(isAnswered);
  const [firewalls, isSynchronized] = await surroundings;
  yield judgeFirewall(firewalls, { isReached });
  yield judgeClock({
    reply: reached !== undefined && "dateMs" in reached.health ? reached.health : undefined,
    isSynchronized,
    usesTokens: plan.token !== undefined,
  });
}

interface Checked {
  readonly paths: readonly (CheckedPath & { readonly target: PathTarget })[];
  readonly arrivals: readonly Arrivals[];
}

/** Checks every port at once, and asks what arrived. */
async function checkPaths(plan: DoctorPlan, site: Site): Promise<Checked> {
  const targets = await Promise.all(site.check.ports.map(async (port) => {
    const { address, port: publicPort } = await plan.publicAddress(port.localPort);
    const { ufrag, pwd, localPort, transports } = port;
    const to = { hostname: address, port: publicPort };
    return { localPort, transports, address, publicPort, target: { to, ufrag, pwd } };
  }));
  const paths = await Promise.all(
    (["udp", "tcp"] as const).flatMap((transport) =>
      targets.filter(({ transports }) => transports.includes(transport))
        .map(async ({ transports: _, ...path }) => {
          const check = transport === "udp" ? checkUdpPath : checkTcpPath;
          const outcome = await check(path.target, { deadlineMs: DEADLINES_MS.path });
          return { ...path, transport, outcome };
        })
    ),
  );
  const { origin, check } = site;
  const arrivals = await readArrivals({ origin, token: plan.token }, check.id);
  return { paths, arrivals: "problem" in arrivals ? [] : arrivals };
}

function isAnswered({ outcome }: CheckedPath): boolean {
  return outcome.kind === "answered";
}

/** What needs a port that answers: large packets, and a connection as a browser makes it. */
async function* examineMedia(
  plan: DoctorPlan,
  { site, checked: { paths }, isSignallingReached }: {
    site: Site;
    checked: Checked;
    isSignallingReached: boolean;
  },
): AsyncGenerator<CheckResult> {
  const answering = paths.filter(isAnswered);
  const target = answering.find(({ transport }) => transport === "udp")?.target;
  yield judgePacketSizes(target === undefined ? new Map() : await checkSizes(target));
  if (answering.length === 0) return yield skipped("webrtc", "No media port answers");
  if (!isSignallingReached) return yield skipped("webrtc", "Signalling is not reached");
  const base = plan.publicUrl ?? site.origin;
  if (plan.publicUrl === undefined && base.startsWith("https:")) {
    const text = "server.public_url is not set, and the certificate is not made for this host's";
    return yield skipped("webrtc", `${text} own address`);
  }
  if (site.isOwn) await becomesReady(site.origin);
  const deadlineMs = DEADLINES_MS.viewer;
  yield judgeViewer(await probeViewer(webSocketUrl(base, plan), { deadlineMs }));
}

async function checkSizes(target: PathTarget): Promise<Map<number, PathOutcome>> {
  const asked = { deadlineMs: DEADLINES_MS.packetSize };
  const outcomes = PACKET_SIZES.map(async (sizeBytes) =>
    [sizeBytes, await checkUdpPath({ ...target, sizeBytes }, asked)] as const
  );
  return new Map(await Promise.all(outcomes));
}

/** A server that was just started rehearses first, which takes time from its first viewer. */
async function becomesReady(origin: string): Promise<void> {
  const endMs = SYSTEM_CLOCK.now() + DEADLINES_MS.warm;
  while (SYSTEM_CLOCK.now() < endMs) {
    const deadlineMs = DEADLINES_MS.warm;
    const reply = await request(`${origin}/readyz`, { takesAnyCertificate: true, deadlineMs });
    if ("status" in reply && reply.status === 200) return;
    await sleep(SYSTEM_CLOCK, READY_INTERVAL_MS);
  }
}

function webSocketUrl(base: string, { sessionId, token }: DoctorPlan): string {
  const url = new URL(`/ws/${sessionId}`, base.replace(/^http/, "ws"));
  if (token !== undefined) url.searchParams.set("token", token);
  return url.href;
}
