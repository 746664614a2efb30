import { formatPortList } from "../base/public_ports.ts";
import { errorText } from "../base/errors.ts";
import { sleep, SYSTEM_CLOCK } from "../base/clock.ts";
import { isClockSynchronized, judgeClock } from "./clock_check.ts";
import { judgeFirewall, readFirewalls } from "./firewall.ts";
import { askFrpc, type FrpcAnswer } from "./frpc_status.ts";
import { judgeFrpc } from "./frpc_judge.ts";
import { untilDeadline } from "./deadline.ts";
import { type CheckedServer, examineHost } from "./host_checks.ts";
import { request } from "./http.ts";
import { type CheckedPath, judgeMapping, judgePacketSizes, judgePaths } from "./paths.ts";
import type { DoctorPlan } from "./plan.ts";
import { judgePublicAddress, type ReachFound } from "./public_address_check.ts";
import {
  type Checked,
  checkLocally,
  checkPaths,
  checkSizes,
  findAnswering,
} from "./reachability.ts";
import { type CheckResult, failed, ok, skipped } from "./result.ts";
import { judgeAbsence, judgeLoopback, lookForServer, readArrivals } from "./server.ts";
import { DoctorRun } from "./run.ts";
import {
  judgeServerEnd,
  judgeSessionRenderer,
  type SessionRendererFound,
  watchRenderer,
} from "./session_renderer.ts";
import { probeSignalling, type SignallingFound } from "./signalling.ts";
import { judgeSignalling } from "./signalling_judge.ts";
import { judgeViewer, probeViewer } from "./viewer_probe.ts";

/** Time limit of each kind of check, in milliseconds: far above the round trip of any working tunnel. */
const DEADLINES_MS = { frpc: 4_000, warm: 3_000, viewer: 8_000 };

/** Interval between requests for `/readyz`, in milliseconds. */
const READY_INTERVAL_MS = 100;

/**
 * Checks the whole path from the renderer to a browser, starting at this host, and yields each result as soon as it is
 * known. A result that explains others comes before them; checks that depend on something missing are skipped. At the
 * plan's deadline a check that hangs is reported as such, and is not awaited any longer.
 */
export async function* examine(plan: DoctorPlan): AsyncGenerator<CheckResult> {
  const run = new DoctorRun();
  const { deadlineMs: ms } = plan;
  const results = untilDeadline(examineAll(plan, run), { ms, late: () => run.giveUp(ms) });
  for await (const result of results) {
    run.tells(result);
    yield result;
  }
}

async function* examineAll(plan: DoctorPlan, run: DoctorRun): AsyncGenerator<CheckResult> {
  await using started = new AsyncDisposableStack();
  const address = new URL(plan.origin).host;
  const state = await lookForServer(plan.origin);
  if (state === "silent") {
    yield judgeLoopback(address);
    yield skipped("server", "No other check is possible until this is fixed");
    return;
  }
  const isServerRunning = state === "running";
  // If another program uses the port, starting the server fails, and that line names the program.
  if (state === "absent") yield judgeAbsence(address, plan);
  yield ok("config", `${plan.configSource} is valid`);
  const site = yield* examineHost(plan, { isServerRunning, started, run });
  const frpc = askEveryFrpc(plan);
  run.awaits("frpc", "frpc or frps to answer");
  if (site === undefined) {
    yield* judgeFrpc(await frpc, plan.frpc);
    yield skipped("public_address", "No server to check it with");
    return;
  }
  yield* examinePath(plan, { site, frpc, run });
}

async function askEveryFrpc({ frpc }: DoctorPlan): Promise<Map<string, FrpcAnswer>> {
  const asked = { credentials: frpc.credentials, deadlineMs: DEADLINES_MS.frpc };
  const answers = frpc.urls.map(async (url) => [url, await askFrpc(url, asked)] as const);
  return new Map(await Promise.all(answers));
}

async function* examinePath(
  plan: DoctorPlan,
  { site, frpc, run }: {
    site: CheckedServer;
    frpc: Promise<Map<string, FrpcAnswer>>;
    run: DoctorRun;
  },
): AsyncGenerator<CheckResult> {
  const { publicUrl } = plan;
  run.awaits("public_address", "answers from the public address, or from frpc");
  const [signalling, checked, answers, firewalls, isSynchronized] = await Promise.all([
    publicUrl === undefined ? undefined : probeSignalling(publicUrl, {
      checkId: site.check.id,
      webSocketUrl: webSocketUrl(publicUrl, plan),
    }),
    checkPaths(plan, site).catch((error) => ({ problem: errorText(error) })),
    frpc,
    readFirewalls(),
    isClockSynchronized(),
  ]);
  const told = publicUrl === undefined || signalling === undefined
    ? [skipped("signalling", "server.public_url is not set")]
    : judgeSignalling(publicUrl, signalling, { hasTls: plan.hasTls, nowMs: Date.now() });
  if ("problem" in checked) {
    yield* judgeFrpc(answers, plan.frpc);
    const fix = "Set webrtc.public_ip to the public IP address";
    yield failed("public_address", { text: checked.problem, fix });
    yield* told;
  } else {
    yield* examineReach(plan, { site, checked, signalling, told, answers, run });
  }
  const isReached = "paths" in checked && checked.paths.every(isAnswered);
  yield judgeFirewall(firewalls, { isReached });
  yield judgeClock({
    reply: signalling !== undefined && "dateMs" in signalling.health
      ? signalling.health
      : undefined,
    isSynchronized,
    usesTokens: plan.token !== undefined,
  });
}

/** Findings of all checks through the public address. */
interface Asked {
  readonly run: DoctorRun;
  readonly site: CheckedServer;
  readonly checked: Checked;
  readonly signalling: SignallingFound | undefined;
  /** Results of the signalling checks. */
  readonly told: readonly CheckResult[];
  readonly answers: ReadonlyMap<string, FrpcAnswer>;
}

async function* examineReach(plan: DoctorPlan, asked: Asked): AsyncGenerator<CheckResult> {
  const { site, checked, signalling, told, answers } = asked;
  const { paths, arrivals } = checked;
  const isMediaSilent = paths.length > 0 && paths.every(isSilent);
  const isSignallingSilent = signalling !== undefined && "problem" in signalling.health;
  const { publicHost } = plan;
  const tunnel = judgeFrpc(answers, {
    ...plan.frpc,
    ...(isMediaSilent && isSignallingSilent && publicHost !== undefined
      ? { silentHost: publicHost }
      : {}),
  });
  const isLocalSilent = paths.some(isSilent) && !await checkLocally(plan, site);
  const answeringAt = isMediaSilent && !isLocalSilent && !isSignallingSilent
    ? await findAnswering(plan, checked)
    : undefined;
  const reach: ReachFound = {
    paths,
    tunnel: tunnelState(answers, tunnel),
    frpsHosts: frpsHostsOf(answers),
    isLocalSilent,
    ...(answeringAt === undefined ? {} : { answeringAt }),
    ...signallingOf(plan, signalling),
  };
  if (isLocalSilent) yield judgeLoopback(`${plan.media.listen} (${portsOf(plan)}/udp)`);
  yield* tunnel;
  const address = judgePublicAddress(publicHost, reach);
  yield* address;
  // The lines above explain everything that follows from a missing tunnel.
  if (isMediaSilent && isSignallingSilent && tunnel.some(isFailed)) {
    yield skipped("webrtc", "No answers through the public address: see frpc");
    if (site.isRendererUntold) yield skipped("renderer", "Not observed");
    return;
  }
  yield* told;
  const mapping = judgeMapping(paths, arrivals);
  yield* mapping.filter((line) => isFailed(line) && line.subject === undefined);
  yield* judgePaths(paths, arrivals, { isTunnelRunning: reach.tunnel === "running" });
  yield* mapping.filter((line) => !isFailed(line) || line.subject !== undefined);
  yield* examineMedia(plan, { ...asked, isSignallingReached: !told.some(isFailed) });
}

function portsOf({ media: { ports } }: DoctorPlan): string {
  return formatPortList(ports.filter(({ udp }) => udp !== undefined).map(({ port }) => port));
}

function isFailed({ status }: CheckResult): boolean {
  return status === "failed";
}

function isAnswered({ outcome }: CheckedPath): boolean {
  return outcome.kind === "answered";
}

function isSilent({ outcome: { kind } }: CheckedPath): boolean {
  return kind === "silent" || kind === "refused";
}

function tunnelState(
  answers: ReadonlyMap<string, FrpcAnswer>,
  told: readonly CheckResult[],
): ReachFound["tunnel"] {
  if (told.some(isFailed)) return "broken";
  const isSeen = [...answers.values()].some(({ kind }) => kind === "proxies");
  return isSeen ? "running" : "unseen";
}

/** Hosts whose frps accepted a connection. */
function frpsHostsOf(answers: ReadonlyMap<string, FrpcAnswer>): string[] {
  return [...answers.values()].flatMap((answer) => {
    const frps = answer.kind === "proxies" ? answer.frps : undefined;
    return frps?.found.kind === "answers" ? [frps.address.hostname] : [];
  });
}

function signallingOf(
  { publicUrl }: DoctorPlan,
  found: SignallingFound | undefined,
): Pick<ReachFound, "signalling"> {
  if (publicUrl === undefined || found === undefined) return {};
  const { hostname, port, protocol } = new URL(publicUrl);
  const cause = "problem" in found.health ? found.health.cause : undefined;
  return {
    signalling: {
      host: hostname.replace(/^\[(.*)\]$/, "$1"),
      port: Number(port || (protocol === "https:" ? 443 : 80)),
      // A TLS or protocol error still means that the host was reached.
      cause: cause === "certificate" || cause === "protocol" ? undefined : cause,
    },
  };
}

/** Checks that need an answering port: packet sizes, and a connection as a browser makes it. */
async function* examineMedia(
  plan: DoctorPlan,
  { run, site, checked: { paths, arrivals }, isSignallingReached }: Asked & {
    isSignallingReached: boolean;
  },
): AsyncGenerator<CheckResult> {
  const answering = paths.filter(isAnswered);
  const target = answering.find(({ transport }) => transport === "udp")?.target;
  run.awaits("packet_size", "packets of several sizes to come back");
  yield judgePacketSizes(target === undefined ? new Map() : await checkSizes(target));
  const isByTcpAlone = target === undefined && answering.length > 0;
  const hindrance = isByTcpAlone
    ? "Only TCP ports answer, and the doctor's viewer has no TCP: open the page in a browser"
    : hindranceOf(plan, { site, isSignallingReached, count: answering.length });
  if (hindrance !== undefined) {
    yield skipped("webrtc", hindrance);
    if (site.isRendererUntold) yield skipped("renderer", "Not observed: see webrtc");
    return;
  }
  run.awaits("webrtc", "a connection as a browser makes it");
  if (site.isOwn) await becomesReady(site.origin);
  const base = plan.publicUrl ?? site.origin;
  let renderer: SessionRendererFound = "gone";
  const found = await probeViewer(webSocketUrl(base, plan), {
    deadlineMs: DEADLINES_MS.viewer,
    origin: plan.publicUrl && new URL(plan.publicUrl).origin,
    deadEnds: deadEndsOf(paths, arrivals),
    whileThere: async () => {
      if (site.isRendererUntold) renderer = await watchRenderer(plan.operators, plan.sessionId);
    },
  });
  const isThere = site.isOwn || await isStillThere(site);
  if (!isThere) yield judgeServerEnd(plan.renderer);
  yield judgeViewer(found);
  if (!isThere || !site.isRendererUntold) return;
  yield found.kind === "refused"
    ? skipped("renderer", "Not observed: see webrtc")
    : judgeSessionRenderer(renderer, plan.renderer);
}

/** Why a connection cannot be tried; `undefined` if it can. */
function hindranceOf(
  plan: DoctorPlan,
  { site, isSignallingReached, count }: {
    site: CheckedServer;
    isSignallingReached: boolean;
    count: number;
  },
): string | undefined {
  if (count === 0) return "No media port answers";
  if (!isSignallingReached) return "Signalling is unreachable";
  if (plan.publicUrl !== undefined || !site.origin.startsWith("https:")) return undefined;
  return "server.public_url is not set, and the certificate is not valid for this host's address";
}

/** Candidates where no connection succeeds, as {@link probeViewer} takes them. */
function deadEndsOf(
  paths: readonly CheckedPath[],
  arrivals: Checked["arrivals"],
): ReadonlySet<string> {
  const udp = paths.filter(({ transport }) => transport === "udp");
  const isAstray = ({ localPort }: CheckedPath) => {
    const own = arrivals.find((port) => port.localPort === localPort)?.arrivals
      .filter(({ transport }) => transport === "udp") ?? [];
    return own.length > 0 && own.every((arrival) => arrival.localPort !== localPort);
  };
  return new Set(
    udp.filter((path) => !isAnswered(path) || isAstray(path))
      .map(({ address, publicPort }) => `${address} port ${publicPort}`),
  );
}

/** Whether the server that opened the check still runs: after a restart it does not know the check. */
async function isStillThere({ origin, check }: CheckedServer): Promise<boolean> {
  return !("problem" in await readArrivals({ origin, token: undefined }, check.id));
}

/** Waits until a server that was just started is ready: warming up its encoders would delay its first viewer. */
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
