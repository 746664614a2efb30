import { checkTcpPath, checkUdpPath, type PathOutcome, type PathTarget } from "./path_client.ts";
import { within } from "./deadline.ts";
import type { CheckedServer } from "./host_checks.ts";
import { type CheckedPath, PACKET_SIZES } from "./paths.ts";
import type { DoctorPlan } from "./plan.ts";
import { type Arrivals, openCheck, readArrivals } from "./server.ts";

/** Time limit of each kind of check, in milliseconds: far above the round trip of any working tunnel. */
const DEADLINES_MS = {
  path: 4_000,
  local: 1_000,
  elsewhere: 1_500,
  packetSize: 2_000,
  name: 2_000,
};

/** The checked public ports, and the checks that reached the server. */
export interface Checked {
  readonly paths: readonly (CheckedPath & { readonly target: PathTarget })[];
  readonly arrivals: readonly Arrivals[];
}

/** Checks all ports at once, and reads from the server which checks arrived. */
export async function checkPaths(plan: DoctorPlan, site: CheckedServer): Promise<Checked> {
  const targets = await Promise.all(site.check.ports.map(async (port) => {
    const addresses = await plan.publicAddresses(port.localPort);
    return port.transports.flatMap((transport) => {
      const place = addresses[transport];
      if (place === undefined) return [];
      const { ufrag, pwd, localPort } = port;
      const { address, port: publicPort } = place;
      const to = { hostname: address, port: publicPort };
      return [{ localPort, transport, address, publicPort, target: { to, ufrag, pwd } }];
    });
  }));
  const paths = await Promise.all(
    (["udp", "tcp"] as const).flatMap((transport) =>
      targets.flat().filter((path) => path.transport === transport).map(async (path) => {
        const check = transport === "udp" ? checkUdpPath : checkTcpPath;
        const outcome = await check(path.target, { deadlineMs: DEADLINES_MS.path });
        return { ...path, outcome };
      })
    ),
  );
  const { origin, check } = site;
  const arrivals = await readArrivals({ origin, token: plan.token }, check.id);
  return { paths, arrivals: "problem" in arrivals ? [] : arrivals };
}

/**
 * Whether a media port answers on this host itself, without tunnel and network. Opens a separate check, so that its
 * arrivals do not mix with the others.
 */
export async function checkLocally(plan: DoctorPlan, { origin }: CheckedServer): Promise<boolean> {
  const check = await openCheck({ origin, token: plan.token });
  // No answer of the API is no evidence against a firewall.
  if ("problem" in check) return true;
  const hostname = localHost(plan.media.listen);
  const outcomes = await Promise.all(
    check.ports.filter(({ transports }) => transports.includes("udp"))
      .map(({ localPort, ufrag, pwd }) => {
        const to = { hostname, port: localPort };
        return checkUdpPath({ to, ufrag, pwd }, { deadlineMs: DEADLINES_MS.local });
      }),
  );
  return outcomes.length === 0 || outcomes.some(({ kind }) => kind === "answered");
}

function localHost(listen: string): string {
  if (listen === "0.0.0.0") return "127.0.0.1";
  return /^[0:]+$/.test(listen) ? "::1" : listen;
}

/**
 * Checks the media ports at the address of signalling, if that differs from webrtc.public_ip.
 * @returns That address, if one of them answers there.
 */
export async function findAnswering(
  { publicUrl }: DoctorPlan,
  { paths }: Checked,
): Promise<string | undefined> {
  if (publicUrl === undefined) return undefined;
  const name = new URL(publicUrl).hostname.replace(/^\[(.*)\]$/, "$1");
  const hostname = await resolve(name);
  const [first] = paths;
  if (hostname === undefined || first === undefined || hostname === first.address) return undefined;
  const outcomes = await Promise.all(
    paths.filter(({ transport }) => transport === "udp").map(({ target, publicPort }) =>
      checkUdpPath({ ...target, to: { hostname, port: publicPort } }, {
        deadlineMs: DEADLINES_MS.elsewhere,
      })
    ),
  );
  return outcomes.some(({ kind }) => kind === "answered") ? hostname : undefined;
}

async function resolve(name: string): Promise<string | undefined> {
  if (/^[\d.]+$/.test(name) || name.includes(":")) return name;
  try {
    const found = Deno.resolveDns(name, "A");
    return (await within(found, { ms: DEADLINES_MS.name, what: "No address came" }))[0];
  } catch {
    return undefined;
  }
}

/** Checks one port with packets of several sizes. */
export async function checkSizes(target: PathTarget): Promise<Map<number, PathOutcome>> {
  const asked = { deadlineMs: DEADLINES_MS.packetSize };
  const outcomes = PACKET_SIZES.map(async (sizeBytes) =>
    [sizeBytes, await checkUdpPath({ ...target, sizeBytes }, asked)] as const
  );
  return new Map(await Promise.all(outcomes));
}
