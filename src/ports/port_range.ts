import type { Clock } from "../base/clock.ts";
import { AppError, errorText } from "../base/errors.ts";
import type { Logger } from "../base/log.ts";
import type { MediaTransport } from "./media_address.ts";
import { type MediaPort, openMediaPort } from "./media_port.ts";
import type { PortMeter } from "./metrics.ts";

/** No port of the range could be bound. */
export class PortsError extends AppError<"no_port_bound"> {}

/** A port that could not be bound, and why. */
export interface FailedPort {
  readonly transport: MediaTransport;
  readonly port: number;
  readonly reason: string;
}

/** What {@link openPortRange} bound. */
export interface PortRange {
  /** Bound ports, at least one. The caller closes them. */
  readonly ports: readonly MediaPort[];
  /**
   * Ports of the range that another program has, or that the host refused. One that failed for TCP alone is among
   * `ports` all the same.
   */
  readonly failed: readonly FailedPort[];
}

/** How a {@link PortRange} is opened. */
export interface PortRangeOptions {
  readonly hostname: string;
  /** The ports, and the transports of each; at least one. */
  readonly ports: readonly {
    readonly port: number;
    readonly udp: boolean;
    readonly tcp: boolean;
  }[];
  readonly clock: Clock;
  readonly meter: PortMeter;
  readonly log: Logger;
  /** ICE-TCP connections of each port, and those of them that have proven nothing yet. Default: as many as make sense. */
  readonly connectionsMax?: number;
  readonly unprovenMax?: number;
}

/**
 * Binds each port and keeps it bound, so that no other program can slip in between two viewers.
 * @throws {PortsError} When not one port could be bound.
 */
export function openPortRange(options: PortRangeOptions): PortRange {
  const { ports: wanted, ...shared } = options;
  const ports: MediaPort[] = [];
  const failed: FailedPort[] = [];
  for (const { port, udp, tcp } of wanted) {
    const fail = (transport: MediaTransport, error: unknown) =>
      failed.push({ transport, port, reason: bindFailure(error, transport) });
    try {
      const tcpFailed = (error: unknown) => fail("tcp", error);
      ports.push(openMediaPort({ ...shared, port, udp, ...(tcp ? { tcpFailed } : {}) }));
    } catch (error) {
      fail(udp ? "udp" : "tcp", error);
    }
  }
  if (ports.length === 0) throw noneBound(options, failed);
  return { ports, failed };
}

function noneBound({ hostname, ports }: PortRangeOptions, failed: readonly FailedPort[]): Error {
  const reasons = [...new Set(failed.map(({ reason }) => reason))].join("; ");
  const transport = ports.some(({ udp }) => udp) ? "UDP" : "TCP";
  const [first, last] = [ports[0]?.port, ports.at(-1)?.port];
  const range = first === last ? `${first}` : `${first}-${last}`;
  return new PortsError(
    "no_port_bound",
    `Cannot bind any ${transport} port of ${range} on ${hostname}: ${reasons}`,
  );
}

function bindFailure(error: unknown, transport: MediaTransport): string {
  if (error instanceof Deno.errors.AddrInUse) {
    const look = `\`ss -${transport === "udp" ? "u" : "t"}lpn\``;
    return `another program uses it, perhaps another Pinhole; stop that one (see ${look}), or change ` +
      "webrtc.port_min and webrtc.port_max";
  }
  if (error instanceof Deno.errors.AddrNotAvailable) {
    return "webrtc.listen is not an address of this host";
  }
  if (error instanceof Deno.errors.PermissionDenied) {
    return "this user may not bind ports below 1024";
  }
  return errorText(error);
}
