import type { FailureCause } from "./http.ts";
import type { CheckedPath } from "./paths.ts";
import { type CheckResult, failed, ok, warning } from "./result.ts";

/** What is known of the way from outside, from all who were asked. */
export interface ReachFound {
  readonly paths: readonly CheckedPath[];
  /** Where signalling is, and why it is not reached; left out where no public URL is configured. */
  readonly signalling?: {
    readonly host: string;
    readonly port: number;
    /** `undefined` when it was reached. */
    readonly cause: FailureCause | undefined;
  };
  /** Another address, that of signalling, where the media ports do answer. */
  readonly answeringAt?: string;
  /** `running`: frpc itself sees nothing wrong. `broken`: it does. `unseen`: there is none, or it was not asked. */
  readonly tunnel: "running" | "broken" | "unseen";
  /** Hosts where an frps took a connection from here; one of them may be the public address. */
  readonly frpsHosts?: readonly string[];
  /** Whether no media port answers on this host either. */
  readonly isLocalSilent?: boolean;
}

/**
 * Says what the public address is worth, before each port is told: that it is another one, that answers come from
 * another one, or that something in front of it drops what comes. Pure.
 * @param publicHost `undefined` when no public address is configured.
 */
export function judgePublicAddress(
  publicHost: string | undefined,
  found: ReachFound,
): CheckResult[] {
  if (publicHost === undefined) {
    return [warning("public_address", {
      text: "No public address is configured: the checks stay on this host",
      fix: "Set webrtc.public_ip and server.public_url to what browsers use",
    })];
  }
  return judgeSource(found) ?? judgeSilence(publicHost, found) ??
    [ok("public_address", `Browsers are told ${publicHost}`), ...judgeFirewalls(publicHost, found)];
}

/** Answers that come from another address than was asked. */
function judgeSource({ paths }: ReachFound): CheckResult[] | undefined {
  for (const { address, publicPort, outcome } of paths) {
    if (outcome.kind !== "elsewhere") continue;
    const { hostname, port } = outcome.from;
    const isPort = hostname === address;
    return [failed("public_address", {
      text: isPort
        ? `Answers of ${address} port ${publicPort} come from port ${port}, and browsers drop them`
        : `Answers of ${address} come from ${hostname}, and browsers drop them`,
      fix:
        `In frps.toml set proxyBindAddr = "${address}", and restart frps: a server with several ` +
        "addresses answers from the one that was asked only then. Without frp, its NAT has to " +
        "keep the address",
      values: { asked: address, answered_from: hostname },
    })];
  }
  return undefined;
}

function isSilent({ outcome: { kind } }: CheckedPath): boolean {
  return kind === "silent" || kind === "refused";
}

/** Nothing comes back from any media port. */
function judgeSilence(publicHost: string, found: ReachFound): CheckResult[] | undefined {
  const { paths, signalling, answeringAt, tunnel, isLocalSilent } = found;
  if (paths.length === 0 || !paths.every(isSilent)) return undefined;
  if (answeringAt !== undefined) {
    return [failed("public_address", {
      text: `No media port answers at ${publicHost} (webrtc.public_ip), and they do at ` +
        `${answeringAt}, where signalling is reached`,
      fix: `Set webrtc.public_ip = "${answeringAt}"`,
      values: { answers_at: answeringAt },
    })];
  }
  const isReached = signalling !== undefined && signalling.cause === undefined;
  if (isReached) {
    if (signalling.host === publicHost || tunnel === "broken" || isLocalSilent) return undefined;
    return [failed("public_address", {
      text:
        `No media port answers at ${publicHost}, while signalling answers at ${signalling.host}`,
      fix:
        "Is webrtc.public_ip right? With frp it is the address of frps, as in server.public_url. " +
        "If it is, a firewall in front of it drops UDP",
    })];
  }
  if (tunnel === "running" && found.frpsHosts?.includes(publicHost)) return undefined;
  return [failed("public_address", {
    text: `Nothing at all comes back from ${publicHost}: neither ${silentPlaces(found)}`,
    fix: tunnel === "broken"
      ? "Mend the tunnel first: see frpc; the rest follows from it"
      : "Either nothing there leads to this host, or this host cannot reach its own public " +
        'address (a router without hairpin NAT). "Check my path" on the page, opened in another ' +
        "network, tells which",
  })];
}

/** `TCP 10110 nor UDP 10111-10115`. */
function silentPlaces({ paths, signalling }: ReachFound): string {
  const own = signalling === undefined ? [] : [`TCP ${signalling.port}`];
  return [...own, ...portRanges(paths)].join(" nor ");
}

/** Such as `UDP 10111-10115`, for each transport. */
function portRanges(paths: readonly CheckedPath[]): string[] {
  return (["udp", "tcp"] as const).flatMap((transport) => {
    const ports = paths.filter((path) => path.transport === transport)
      .map(({ publicPort }) => publicPort);
    if (ports.length === 0) return [];
    const [first, last] = [Math.min(...ports), Math.max(...ports)];
    return `${transport.toUpperCase()} ${first === last ? first : `${first}-${last}`}`;
  });
}

/** frpc sees nothing wrong, so what is silent is dropped in front of the public server. */
function judgeFirewalls(publicHost: string, found: ReachFound): CheckResult[] {
  const { paths, signalling, tunnel, isLocalSilent } = found;
  if (tunnel !== "running" || isLocalSilent) return [];
  const silent = (["udp", "tcp"] as const).flatMap((transport) => {
    const own = paths.filter((path) => path.transport === transport);
    const isDropped = own.every(({ outcome }) => outcome.kind === "silent");
    return isDropped ? portRanges(own) : [];
  });
  if (signalling?.cause === "silent") silent.unshift(`TCP ${signalling.port}`);
  if (silent.length === 0) return [];
  const ports = silent.join(" and ");
  return [failed("public_firewall", {
    text:
      `${ports} of ${publicHost} ${
        silent.length > 1 ? "are" : "is"
      } silent, and does not even refuse, ` +
      "while frpc's proxies run: a firewall in front of the public server drops what comes",
    fix:
      `Let ${ports} in on the public server (its nftables, ufw or iptables) and at its provider ` +
      "(security group)",
  })];
}
