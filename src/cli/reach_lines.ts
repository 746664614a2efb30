import type { PlannedPort, PortTransport, PublicPlace } from "../base/public_ports.ts";
import { formatHostPort } from "../base/host_port.ts";
import { formatPorts } from "../tunnel/port_mapping.ts";
import type { Config } from "../config/config.ts";

/** Consecutive ports of one transport with the same offset and source. */
interface Run {
  readonly transport: PortTransport;
  readonly first: number;
  last: number;
  readonly place: PublicPlace;
}

/**
 * Formats where viewers find each media port, and which key or variable says so: one line for each port, or for
 * consecutive ones with one source. Pure.
 */
export function formatReach({ webrtc, reach }: Pick<Config, "webrtc" | "reach">): string[] {
  return runsOf(reach.ports).map(({ transport, first, last, place }) => {
    const host = place.host ?? webrtc.publicIp ?? "(the address that the viewer used)";
    const from = place.from ?? "the same numbers";
    const count = last - first + 1;
    const named = formatHostPort(host, formatPorts(place.port, count));
    return `${transport.toUpperCase()} ${formatPorts(first, count)} is ${named}: ${from}`;
  });
}

function runsOf(ports: readonly PlannedPort[]): Run[] {
  const runs: Run[] = [];
  for (const transport of ["udp", "tcp"] as const) {
    for (const planned of ports) {
      const place = planned[transport];
      if (place === undefined) continue;
      const before = runs.at(-1);
      if (before?.transport === transport && continues(before, { port: planned.port, place })) {
        before.last = planned.port;
      } else {
        runs.push({ transport, first: planned.port, last: planned.port, place });
      }
    }
  }
  return runs;
}

function continues(
  { first, last, place: before }: Run,
  { port, place }: { port: number; place: PublicPlace },
): boolean {
  return port === last + 1 && place.port - before.port === port - first &&
    place.from === before.from && place.host === before.host;
}
