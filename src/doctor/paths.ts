import type { PathOutcome } from "../transport/path_client.ts";
import { type CheckResult, failed, ok, skipped, warning } from "./result.ts";
import type { Arrivals } from "./server.ts";

/** One public port, and what came of checking it. */
export interface CheckedPath {
  readonly transport: "udp" | "tcp";
  readonly localPort: number;
  /** IP literal. */
  readonly address: string;
  readonly publicPort: number;
  readonly outcome: PathOutcome;
}

/** Sizes of padded checks, in bytes of UDP payload; the first is that of the largest packets of video. */
export const PACKET_SIZES = [1200, 1300, 1400, 1472] as const;

/** Says of each public port whether it answered. Pure. */
export function judgePaths(
  paths: readonly CheckedPath[],
  arrivals: readonly Arrivals[],
): CheckResult[] {
  return paths.map((path) => judgePath(path, arrivalOf(path, arrivals)));
}

type Arrival = Arrivals["arrivals"][number];

function arrivalOf(
  { transport, localPort }: CheckedPath,
  arrivals: readonly Arrivals[],
): Arrival | undefined {
  return arrivals.find((port) => port.localPort === localPort)
    ?.arrivals.find((arrival) => arrival.transport === transport);
}

function judgePath(path: CheckedPath, arrival: Arrival | undefined): CheckResult {
  const { transport, localPort, address, publicPort, outcome } = path;
  const check = `${transport}_port` as const;
  const subject = `${publicPort}`;
  const place = `${addressText(address, publicPort)}/${transport}`;
  switch (outcome.kind) {
    case "answered": {
      const from = arrival?.from ?? addressText(outcome.seenFrom.hostname, outcome.seenFrom.port);
      const ms = Math.round(outcome.roundTripMs * 10) / 10;
      return ok(check, `${place} answers in ${ms} ms; the server sees ${from}`, {
        subject,
        values: { local_port: localPort, round_trip_ms: ms, from },
      });
    }
    case "altered":
      return failed(check, {
        subject,
        text: `${place} answers, but not with what the server signed`,
        fix: "Does another program answer there, or something on the way change packets? " +
          "With frp, no proxy of media may have transport.proxyProtocolVersion",
      });
    case "refused":
      return failed(check, {
        subject,
        text: `Nothing can be sent to ${place}: ${outcome.reason}`,
        fix: transport === "tcp"
          ? "Check the tunnel's tcp proxies"
          : "Is webrtc.public_ip right? Does this host's firewall let UDP out?",
      });
    case "silent":
      return failed(check, { subject, ...silence(place, { transport, arrival }) });
  }
}

/** The fix names no port, so that it can be said once for several. */
function silence(
  place: string,
  { transport, arrival }: Pick<CheckedPath, "transport"> & { arrival: Arrival | undefined },
): { text: string; fix: string } {
  if (arrival !== undefined) {
    return {
      text: `Checks of ${place} arrive at the server from ${arrival.from}; its answers are lost`,
      fix: `Something on the way back drops ${transport.toUpperCase()}: a firewall, or the ` +
        "tunnel's proxy",
    };
  }
  const spoiler = transport === "udp" ? "; proxyProtocolVersion of frp spoils UDP" : "";
  return {
    text: `${place} does not answer, and no check of it arrives at the server`,
    fix: `Check webrtc.public_ip, the tunnel's ${transport} proxies, and whether the firewall in ` +
      `front of the public server lets such ports in${spoiler}`,
  };
}

function addressText(hostname: string, port: number): string {
  return hostname.includes(":") ? `[${hostname}]:${port}` : `${hostname}:${port}`;
}

/** Says whether each public port leads to its own local port. Pure. */
export function judgeMapping(
  paths: readonly CheckedPath[],
  arrivals: readonly Arrivals[],
): CheckResult[] {
  const arrived = paths.flatMap((path) => {
    const arrival = arrivalOf(path, arrivals);
    return arrival === undefined ? [] : [{ ...path, arrivedAt: arrival.localPort }];
  });
  if (arrived.length === 0) return [skipped("port_mapping", "No check arrived at the server")];
  const wrong = arrived.filter(({ localPort, arrivedAt }) => localPort !== arrivedAt);
  if (wrong.length === 0) {
    return [ok("port_mapping", "Each public port leads to its own local port")];
  }
  return wrong.map(({ transport, publicPort, localPort, arrivedAt }) =>
    failed("port_mapping", {
      subject: `${publicPort}`,
      text: `Public ${transport} port ${publicPort} leads to local port ${arrivedAt}, ` +
        `and should lead to ${localPort}`,
      fix: "Mend the tunnel's remotePort and localPort (`pinhole frpc` prints them), " +
        "or webrtc.public_port_min",
      values: { local_port: localPort, arrives_at: arrivedAt },
    })
  );
}

/** Says how large packets may be. @param outcomes By size; empty when no port answers. Pure. */
export function judgePacketSizes(outcomes: ReadonlyMap<number, PathOutcome>): CheckResult {
  const passed = [...outcomes].filter(([, { kind }]) => kind === "answered")
    .map(([size]) => size);
  const [needed] = PACKET_SIZES;
  if (outcomes.size === 0) return skipped("packet_size", "No UDP port answers");
  const largest = Math.max(0, ...passed);
  if (passed.includes(needed)) {
    return ok("packet_size", `Packets of ${largest} bytes pass both ways; ${needed} are needed`, {
      values: { bytes: largest },
    });
  }
  return failed("packet_size", {
    text: `Packets of ${needed} bytes do not pass, and video needs them`,
    fix: "The path's MTU is too small: in frp, set udpPacketSize to 1500 on both ends; " +
      "with a VPN, raise its MTU to 1280 or more",
  });
}

/**
 * Says so when nothing at all came back from the public address: then this host alone cannot tell why; and when
 * signalling alone answers, at another address. Pure.
 * @param publicHost `undefined` when no public address is configured.
 */
export function judgePublicAddress(
  publicHost: string | undefined,
  { paths, signallingHost, isTunnelBroken }: {
    paths: readonly CheckedPath[];
    /** Where signalling answers; `undefined` where nothing at all came back, or nothing was asked. */
    signallingHost: string | undefined;
    /** Whether frpc itself says that something is wrong. */
    isTunnelBroken: boolean;
  },
): CheckResult {
  if (publicHost === undefined) {
    return warning("public_address", {
      text: "No public address is configured: the checks stay on this host",
      fix: "Set webrtc.public_ip and server.public_url to what browsers use",
    });
  }
  const isSilent = paths.length > 0 &&
    paths.every(({ outcome }) => outcome.kind === "silent" || outcome.kind === "refused");
  if (
    isSilent && signallingHost !== undefined && signallingHost !== publicHost && !isTunnelBroken
  ) {
    return warning("public_address", {
      text: `No media port answers at ${publicHost}, while signalling answers at ${signallingHost}`,
      fix: "Is webrtc.public_ip right? With frp it is the address of frps, as in server.public_url",
    });
  }
  if (!isSilent || signallingHost !== undefined) {
    return ok("public_address", `Browsers are told ${publicHost}`);
  }
  return failed("public_address", {
    text: `Nothing at all comes back from ${publicHost}`,
    fix: isTunnelBroken
      ? "Mend the tunnel first: see frpc"
      : "Either nothing there leads to this host, or this host cannot reach its own public " +
        'address (a router without hairpin NAT). "Check my path" on the page, opened in another ' +
        "network, tells which",
  });
}
