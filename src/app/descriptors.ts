import type { Config } from "../config/config.ts";
import { readDescriptorLimit } from "../ports/descriptor_limit.ts";
import { TCP_CONNECTIONS_MAX, TCP_UNPROVEN_CONNECTIONS_MAX } from "../ports/limits.ts";
import {
  CONNECTIONS_MAX,
  OPERATOR_CONNECTIONS_MAX,
  WEB_SOCKETS_MAX,
} from "../signalling/limits.ts";

/**
 * Descriptors that are left to everything else: some 30 of Deno and of listeners, the renderer and its device, files of
 * idle pictures and certificates, DNS, the log.
 */
const RESERVE = 128;

/** Descriptors of one place: a bridge's ring and its files, pipes of an isolated library. */
const PER_PLACE = 2;

/** What a server can do with hardly any descriptors: fewer connections than these are no service. */
const CONNECTIONS_MIN = 16;
const TCP_CONNECTIONS_MIN = 4;

/** Of the connections of a port, those that may be newcomers. */
const UNPROVEN_SHARE = 4;

/** How many connections of each kind are taken at a time, so that none takes the last descriptor. */
export interface ConnectionLimits {
  /** On `server.listen`. */
  readonly http: number;
  /** Of these, WebSockets. */
  readonly webSockets: number;
  /** On `server.admin_listen`. */
  readonly operators: number;
  /** ICE-TCP, on each media port. */
  readonly perMediaPort: number;
  /** Of these, those that have not proven to be a browser's. */
  readonly unprovenPerMediaPort: number;
  /** Descriptors with which none of these would have to be lower than it is made for. */
  readonly wanted: number;
}

type Limited = Pick<Config, "server" | "webrtc">;

/**
 * Shares out the descriptors that a process may have. Pure.
 * @param limit Of the process; `undefined` when it is not known.
 */
export function shareDescriptors(
  limit: number | undefined,
  { server, webrtc: { portMin, portMax, peersPerPort, tcp } }: Limited,
): ConnectionLimits {
  const ports = portMax - portMin + 1;
  const operators = server.adminListen === undefined ? 0 : OPERATOR_CONNECTIONS_MAX;
  const fixed = RESERVE + ports * (tcp ? 2 : 1) + ports * peersPerPort * PER_PLACE + operators;
  const wanted = fixed + CONNECTIONS_MAX + (tcp ? ports * TCP_CONNECTIONS_MAX : 0);
  // What the places take is at most half: a range may be far wider than it is ever used.
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

/** What a lack of descriptors costs, and what mends it. */
export interface DescriptorWarning {
  readonly text: string;
  readonly fix: string;
}

/** For a limit that is lower than the server is made for; `undefined` when it is not. Pure. */
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
