import type { FailureCause } from "./http.ts";
import type { CheckedPath } from "./paths.ts";
import { type CheckResult, failed, ok, warning } from "./result.ts";

/** Findings about the path from outside, from all checks. */
export interface ReachFound {
  readonly paths: readonly CheckedPath[];
  /** Address of signalling, and why it is unreachable; absent if no public URL is configured. */
  readonly signalling?: {
    readonly host: string;
    readonly port: number;
    /** `undefined` if it was reached. */
    readonly cause: FailureCause | undefined;
  };
  /** The address of signalling, if the media ports answer there and not at the configured one. */
  readonly answeringAt?: string;
  /** `running`: frpc reports no fault. `broken`: it reports one. `unseen`: no frpc was found. */
  readonly tunnel: "running" | "broken" | "unseen";
  /** Hosts where an frps accepted a connection from here; one of them may be the public address. */
  readonly frpsHosts?: readonly string[];
  /** Whether no media port answers on this host either. */
  readonly isLocalSilent?: boolean;
}

/**
 * Judges the public address, before the lines of single ports: it may be wrong, answers may come from another address,
 * or a firewall in front of it may drop packets. Pure.
 * @param publicHost `undefined` if no public address is configured.
 */
export function judgePublicAddress(
  publicHost: string | undefined,
  found: ReachFound,
): CheckResult[] {
  if (publicHost === undefined) {
    return [warning("public_address", {
      text: "No public address is configured: the checks cover only this host",
      fix: "Set webrtc.public_ip and server.public_url to what browsers use",
    })];
  }
  return judgeSource(found) ?? judgeSilence(publicHost, found) ??
    [
      ok("public_address", `Browsers connect to ${publicHost}`),
      ...judgeFirewalls(publicHost, found),
    ];
}

/** Reports answers that come from another address than the request went to. */
function judgeSource({ paths }: ReachFound): CheckResult[] | undefined {
  for (const { address, publicPort, outcome } of paths) {
    if (outcome.kind !== "elsewhere") continue;
    const { hostname, port } = outcome.from;
    const isPort = hostname === address;
    return [failed("public_address", {
      text: isPort
        ? `Answers of ${address} port ${publicPort} come from port ${port}; browsers drop them`
        : `Answers of ${address} come from ${hostname}; browsers drop them`,
      fix:
        `Set proxyBindAddr = "${address}" in frps.toml, and restart frps: without it a server with ` +
        "several addresses may answer from another one. Without frp, its NAT must keep the address",
      values: { asked: address, answered_from: hostname },
    })];
  }
  return undefined;
}

function isSilent({ outcome: { kind } }: CheckedPath): boolean {
  return kind === "silent" || kind === "refused";
}

/** Reports that no media port answers. */
function judgeSilence(publicHost: string, found: ReachFound): CheckResult[] | undefined {
  const { paths, signalling, answeringAt, tunnel, isLocalSilent } = found;
  if (paths.length === 0 || !paths.every(isSilent)) return undefined;
  if (answeringAt !== undefined) {
    return [failed("public_address", {
      text: `No media port answers at ${publicHost} (webrtc.public_ip), but they answer at ` +
        `${answeringAt}, the address of signalling`,
      fix: `Set webrtc.public_ip = "${answeringAt}"`,
      values: { answers_at: answeringAt },
    })];
  }
  const isReached = signalling !== undefined && signalling.cause === undefined;
  if (isReached) {
    if (signalling.host === publicHost || tunnel === "broken" || isLocalSilent) return undefined;
    return [failed("public_address", {
      text: `No media port answers at ${publicHost}, but signalling answers at ${signalling.host}`,
      fix:
        "Check webrtc.public_ip; with frp it is the address of frps, as in server.public_url. If it " +
        "is correct, a firewall in front of it drops UDP",
    })];
  }
  if (tunnel === "running" && found.frpsHosts?.includes(publicHost)) return undefined;
  return [failed("public_address", {
    text: `No answer at all from ${publicHost}: neither ${silentPlaces(found)}`,
    fix: tunnel === "broken"
      ? "Fix the tunnel first (see frpc); these failures follow from it"
      : "Either nothing there forwards to this host, or this host cannot reach its own public " +
        "address (a router without hairpin NAT). To find out, open the page in another network " +
        'and press "Check my path"',
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

/** If frpc reports no fault, a firewall in front of the public server drops the packets of silent ports. */
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
        silent.length > 1 ? "do" : "does"
      } not answer, not even with a refusal, ` +
      "while frpc's proxies run: a firewall in front of the public server drops the packets",
    fix:
      `Allow ${ports} on the public server (its nftables, ufw or iptables) and at its provider ` +
      "(security group)",
  })];
}
