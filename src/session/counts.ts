import type { PortLeases } from "../ports/leases.ts";
import type { ViewerState } from "./session_api.ts";
import { SESSION_METRICS, type SessionMeter } from "./metrics.ts";

/** Sets the gauges for the number of sessions, viewers and places in use. */
export function showCounts(
  meter: SessionMeter,
  { sessions, viewers, leases }: {
    sessions: number;
    viewers: Iterable<{ readonly state: ViewerState }>;
    leases: PortLeases;
  },
): void {
  meter.gauge("sessions", sessions);
  const states = Array.from(viewers, ({ state }) => state);
  for (const state of SESSION_METRICS.viewers.labels.state) {
    meter.gauge("viewers", states.filter((each) => each === state).length, { state });
  }
  for (const { port, used, places } of leases.use) {
    meter.gauge("port_places", used, { port, state: "used" });
    meter.gauge("port_places", places - used, { port, state: "free" });
  }
}
