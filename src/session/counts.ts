import type { Meter } from "../base/meter.ts";
import type { PortLeases } from "../ports/leases.ts";
import type { ViewerState } from "./door.ts";

/** Sets the gauges of how many sessions and viewers there are, and how many places they take. */
export function showCounts(
  meter: Meter,
  { sessions, viewers, leases }: {
    sessions: number;
    viewers: Iterable<{ readonly state: ViewerState }>;
    leases: PortLeases;
  },
): void {
  meter.gauge("sessions", sessions);
  const states = { connecting: 0, connected: 0, disconnected: 0 };
  for (const { state } of viewers) {
    if (state in states) states[state as keyof typeof states]++;
  }
  for (const [state, count] of Object.entries(states)) meter.gauge("viewers", count, { state });
  for (const { port, used, places } of leases.use) {
    meter.gauge("port_places", used, { port, state: "used" });
    meter.gauge("port_places", places - used, { port, state: "free" });
  }
}
