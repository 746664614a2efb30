import type { Config } from "../config/config.ts";
import { readDescriptorLimit } from "../ports/descriptor_limit.ts";
import { TCP_CONNECTIONS_MAX, TCP_UNPROVEN_CONNECTIONS_MAX } from "../ports/limits.ts";
import {
  CONNECTIONS_MAX,
  OPERATOR_CONNECTIONS_MAX,
  WEB_SOCKETS_MAX,
} from "../signalling/limits.ts";

/**
 * Descriptors reserved for everything else: about 30 of Deno and of listeners, the renderer and its device, files of
 * idle pictures and certificates, DNS, the log.
 */
const RESERVE = 128;

/** Descriptors of one place: a bridge's ring and its files, pipes of an isolated library. */
const PER_PLACE = 2;

/** Minimum numbers of connections: a server with fewer is not usable. */
const CONNECTIONS_MIN = 16;
const TCP_CONNECTIONS_MIN = 4;

/** Share of a port's connections that may be unverified. */
const UNPROVEN_SHARE = 4;

/** Limits of open connections of each kind, so that none uses the last descriptor. */
export interface ConnectionLimits {
  /** On `server.listen`. */
  readonly http: number;
  /** WebSockets among these. */
  readonly webSockets: number;
  /** On `server.admin_listen`. */
  readonly operators: number;
  /** ICE-TCP, on each media port. */
  readonly perMediaPort: number;
  /** Connections among these without a verified viewer. */
  readonly unprovenPerMediaPort: number;
  /** Descriptors that would allow every limit its default. */
  readonly wanted: number;
}

type Limited = Pick<Config, "server" | "webrtc" | "reach">;

/**
 * Divides the descriptors of a process among the kinds of connections. Pure.
 * @param limit Limit of the process; `undefined` if it is not known.
 */
export function shareDescriptors(
  limit: number | undefined,
  { server, webrtc: { peersPerPort, tcp }, reach }: Limited,
): ConnectionLimits {
  const ports = reach.ports.length;
  const operators = server.adminListen === undefined ? 0 : OPERATOR_CONNECTIONS_MAX;
  const fixed = RESERVE + ports * (tcp ? 2 : 1) + ports * peersPerPort * PER_PLACE + operators;
  const wanted = fixed + CONNECTIONS_MAX + (tcp ? ports * TCP_CONNECTIONS_MAX : 0);
  // At most half is reserved for places: a port range may be much larger than its use.
  const free = limit === undefined ? Infinity : limit - Math.min(fixed, limit / 2);
  const perMediaPort = tcp
    ? clamp(Math.floor(Math.max(free / 2, free - CONNECTIONS_MAX) / ports), [
      TCP_CONNECTIONS_MIN,
      TCP_CONNECTIONS_MAX,
    ])
    : 0;
  const http = clamp(free - ports * perMediaPort, [CONNECTIONS_MIN, CONNECTIONS_MAX]);
  return {
    http,
    webSockets: Math.floor(http * WEB_SOCKETS_MAX / CONNECTIONS_MAX),
    operators: OPERATOR_CONNECTIONS_MAX,
    perMediaPort,
    unprovenPerMediaPort: clamp(Math.floor(perMediaPort / UNPROVEN_SHARE), [
      1,
      TCP_UNPROVEN_CONNECTIONS_MAX,
    ]),
    wanted,
  };
}

/** The effect of too few descriptors, and the fix. */
export interface DescriptorWarning {
  readonly text: string;
  readonly fix: string;
}

/** Warns about a limit that is lower than the server needs; `undefined` otherwise. Pure. */
export function descriptorWarning(
  limit: number | undefined,
  config: Limited,
): DescriptorWarning | undefined {
  const { http, perMediaPort, wanted } = shareDescriptors(limit, config);
  const isLow = http < CONNECTIONS_MAX || (config.webrtc.tcp && perMediaPort < TCP_CONNECTIONS_MAX);
  if (limit === undefined || !isLow) return undefined;
  const media = config.webrtc.tcp
    ? ` and ${perMediaPort} ICE-TCP connections on each media port instead of ${TCP_CONNECTIONS_MAX}`
    : "";
  return {
    text:
      `This process may have ${limit} open files, so the server accepts ${http} HTTP connections ` +
      `at a time instead of ${CONNECTIONS_MAX}${media}`,
    fix: `Allow ${wanted}: LimitNOFILE=${wanted} in the systemd unit, ` +
      `--ulimit nofile=${wanted} for Docker, \`ulimit -n ${wanted}\` in a shell`,
  };
}

/** {@link descriptorWarning} for this process. */
export function ownDescriptorWarning(config: Limited): DescriptorWarning | undefined {
  return descriptorWarning(readDescriptorLimit(), config);
}

function clamp(value: number, [min, max]: readonly [number, number]): number {
  return Math.floor(Math.min(max, Math.max(min, value)));
}
