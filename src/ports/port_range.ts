import { AppError, errorText } from "../base/errors.ts";
import { openUdpPort, type UdpPort } from "./udp_port.ts";

/** No port of the range could be bound. */
export class PortsError extends AppError<"no_port_bound"> {}

/** A port that could not be bound, and why. */
export interface FailedPort {
  readonly port: number;
  readonly reason: string;
}

/** What {@link openPortRange} bound. */
export interface PortRange {
  /** Bound ports, at least one. The caller closes them. */
  readonly ports: readonly UdpPort[];
  /** Ports of the range that another program has, or that the host refused. */
  readonly failed: readonly FailedPort[];
}

/**
 * Binds each port of an inclusive range and keeps it bound, so that no other program can slip in between two viewers.
 * @throws {PortsError} When not one port could be bound.
 */
export function openPortRange(
  options: { hostname: string; portMin: number; portMax: number },
): PortRange {
  const ports: UdpPort[] = [];
  const failed: FailedPort[] = [];
  for (let port = options.portMin; port <= options.portMax; port++) {
    try {
      ports.push(openUdpPort(options.hostname, port));
    } catch (error) {
      failed.push({ port, reason: bindFailure(error) });
    }
  }
  if (ports.length === 0) {
    const reasons = [...new Set(failed.map(({ reason }) => reason))].join("; ");
    throw new PortsError(
      "no_port_bound",
      `Cannot bind any UDP port of ${options.portMin}-${options.portMax} on ${options.hostname}: ${reasons}`,
    );
  }
  return { ports, failed };
}

function bindFailure(error: unknown): string {
  if (error instanceof Deno.errors.AddrInUse) return "another program has it (see `ss -ulpn`)";
  if (error instanceof Deno.errors.AddrNotAvailable) {
    return "webrtc.listen is no address of this host";
  }
  if (error instanceof Deno.errors.PermissionDenied) return "ports below 1024 need more rights";
  return errorText(error);
}
