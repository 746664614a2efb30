import { formatHostPort } from "../base/host_port.ts";
import type { PathOutcome } from "./path_client.ts";
import { type CheckResult, failed, ok, skipped, warning } from "./result.ts";
import type { Arrivals } from "./server.ts";

/** One public port, with the result of its check. */
export interface CheckedPath {
  readonly transport: "udp" | "tcp";
  readonly localPort: number;
  /** IP literal. */
  readonly address: string;
  readonly publicPort: number;
  readonly outcome: PathOutcome;
}

/**
 * Largest packet that browsers send, in bytes of UDP payload: the ClientHello of Firefox 153, whose key share is
 * post-quantum. Chromium 156 stays at 1200.
 */
const BROWSER_BYTES_MAX = 1408;

/** Sizes of padded checks, in bytes of UDP payload; the first is that of the largest packets of video. */
export const PACKET_SIZES = [1200, 1300, BROWSER_BYTES_MAX, 1472] as const;

/** Reports for each public port whether it answered. Pure. */
export function judgePaths(
  paths: readonly CheckedPath[],
  arrivals: readonly Arrivals[],
  { isTunnelRunning = false }: { isTunnelRunning?: boolean } = {},
): CheckResult[] {
  return paths.map((path) =>
    judgePath(path, { arrival: arrivalOf(path, arrivals), isTunnelRunning })
  );
}

/** What a port's line depends on besides the result of its check. */
interface PathContext {
  readonly arrival: Arrival | undefined;
  /** Whether frpc reports no fault. */
  readonly isTunnelRunning: boolean;
}

type Arrival = Arrivals["arrivals"][number];

function arrivalOf(
  { transport, localPort }: CheckedPath,
  arrivals: readonly Arrivals[],
): Arrival | undefined {
  return arrivals.find((port) => port.localPort === localPort)
    ?.arrivals.find((arrival) => arrival.transport === transport);
}

function judgePath(path: CheckedPath, context: PathContext): CheckResult {
  const { arrival } = context;
  const { transport, localPort, address, publicPort, outcome } = path;
  const check = `${transport}_port` as const;
  const subject = `${publicPort}`;
  const place = `${formatHostPort(address, publicPort)}/${transport}`;
  switch (outcome.kind) {
    case "answered": {
      const from = arrival?.from ??
        formatHostPort(outcome.seenFrom.hostname, outcome.seenFrom.port);
      const ms = Math.round(outcome.roundTripMs * 10) / 10;
      return ok(check, `${place} answers in ${ms} ms; the server sees ${from}`, {
        subject,
        values: { local_port: localPort, round_trip_ms: ms, from },
      });
    }
    case "elsewhere": {
      const { hostname, port } = outcome.from;
      return failed(check, {
        subject,
        text: `${place} answers from ${formatHostPort(hostname, port)}; browsers drop that`,
        fix: `Set proxyBindAddr = "${address}" in frps.toml, and restart frps`,
        values: { local_port: localPort, answered_from: formatHostPort(hostname, port) },
      });
    }
    case "altered":
      return failed(check, {
        subject,
        text: `${place} answers, but without this server's signature`,
        fix: "Another program answers there, or a device on the path alters packets. With frp, " +
          "media proxies must not have transport.proxyProtocolVersion",
      });
    case "refused":
      return failed(check, {
        subject,
        text: `Nothing can be sent to ${place}: ${outcome.reason}`,
        fix: transport === "tcp"
          ? "Check the tunnel's tcp proxies"
          : "Check webrtc.public_ip, and that this host's firewall allows outgoing UDP",
      });
    case "silent":
      return failed(check, { subject, ...silence(place, { ...context, transport }) });
  }
}

/** The fix names no port, so that it can be printed once for several. */
function silence(
  place: string,
  { transport, arrival, isTunnelRunning }: Pick<CheckedPath, "transport"> & PathContext,
): { text: string; fix: string } {
  if (arrival !== undefined) {
    return {
      text: `Checks of ${place} reach the server from ${arrival.from}, but its answers are lost`,
      fix: `A firewall or the tunnel's proxy drops ${transport.toUpperCase()} on the return path`,
    };
  }
  if (isTunnelRunning) {
    return {
      text: `${place} does not answer, and its checks do not reach the server`,
      fix:
        "frpc's proxies run, so a firewall in front of the public server, or that of its provider, " +
        `blocks ${transport.toUpperCase()}; or webrtc.public_ip belongs to another machine`,
    };
  }
  const spoiler = transport === "udp" ? "; frp's proxyProtocolVersion breaks UDP" : "";
  return {
    text: `${place} does not answer, and its checks do not reach the server`,
    fix: `Check webrtc.public_ip, the tunnel's ${transport} proxies, and whether the firewall in ` +
      `front of the public server allows these ports${spoiler}`,
  };
}

/** Checks that each public port forwards to its own local port. Pure. */
export function judgeMapping(
  paths: readonly CheckedPath[],
  arrivals: readonly Arrivals[],
): CheckResult[] {
  const arrived = paths.flatMap((path) => {
    const arrival = arrivalOf(path, arrivals);
    return arrival === undefined ? [] : [{ ...path, arrivedAt: arrival.localPort }];
  });
  if (arrived.length === 0) return [skipped("port_mapping", "No check reached the server")];
  const wrong = arrived.filter(({ localPort, arrivedAt }) => localPort !== arrivedAt);
  if (wrong.length === 0) {
    return [ok("port_mapping", "Each public port forwards to its own local port")];
  }
  const shift = judgeShift(arrived);
  if (shift !== undefined) return [shift];
  return wrong.map(({ transport, publicPort, localPort, arrivedAt }) =>
    failed("port_mapping", {
      subject: `${publicPort}`,
      text: `Public ${transport} port ${publicPort} forwards to local port ${arrivedAt} instead ` +
        `of ${localPort}`,
      fix: "Correct the tunnel's remotePort and localPort (`pinhole frpc` prints them), or " +
        "webrtc.public_port_min and public_ports",
      values: { local_port: localPort, arrives_at: arrivedAt },
    })
  );
}

/** If all checks arrive with the same port offset, the configuration key is wrong, not each proxy. */
function judgeShift(
  arrived: readonly (CheckedPath & { readonly arrivedAt: number })[],
): CheckResult | undefined {
  const [first] = arrived;
  if (first === undefined || arrived.length < 2) return undefined;
  const offset = first.arrivedAt - first.localPort;
  if (arrived.some(({ localPort, arrivedAt }) => arrivedAt - localPort !== offset)) {
    return undefined;
  }
  const planned = first.publicPort - first.localPort;
  if (arrived.some(({ localPort, publicPort }) => publicPort - localPort !== planned)) {
    return undefined;
  }
  const lowest = Math.min(...arrived.map(({ publicPort }) => publicPort)) - offset;
  return failed("port_mapping", {
    text:
      `Every public port forwards to a local port that is off by ${offset}: ${first.publicPort} ` +
      `to ${first.arrivedAt} instead of ${first.localPort}`,
    fix: `Set webrtc.public_port_min = ${lowest}, or correct the tunnel's proxies`,
    values: { local_port: first.localPort, arrives_at: first.arrivedAt },
  });
}

/** Reports the largest packets that pass. @param outcomes By size; empty if no port answers. Pure. */
export function judgePacketSizes(outcomes: ReadonlyMap<number, PathOutcome>): CheckResult {
  const passed = [...outcomes].filter(([, { kind }]) => kind === "answered")
    .map(([size]) => size);
  const [needed] = PACKET_SIZES;
  if (outcomes.size === 0) return skipped("packet_size", "No UDP port answers");
  const largest = Math.max(0, ...passed);
  if (passed.includes(needed)) {
    const values = { bytes: largest };
    if (largest >= BROWSER_BYTES_MAX) {
      const text = `Packets of ${largest} bytes pass in both directions; video needs ${needed}`;
      return ok("packet_size", text, { values });
    }
    return warning("packet_size", {
      text:
        `Packets of ${largest} bytes pass in both directions, enough for video; browsers send up ` +
        `to ${BROWSER_BYTES_MAX} while they connect, and larger packets are cut silently`,
      fix: "In frp, set udpPacketSize to 1500 on both ends; with a VPN, raise its MTU",
      values,
    });
  }
  return failed("packet_size", {
    text: `Packets of ${needed} bytes, which video needs, do not pass`,
    fix: "The path's MTU is too small: in frp, set udpPacketSize to 1500 on both ends; " +
      "with a VPN, raise its MTU to 1280 or more",
  });
}
