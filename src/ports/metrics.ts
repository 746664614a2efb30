import { ANY, type Meter, type MetricTable } from "../base/meter.ts";
import type { SHARED_METRICS } from "../base/shared_metrics.ts";
import type { TcpEnd } from "./tcp_connection.ts";

const TCP_ENDS = [
  ...["remote", "not_webrtc", "too_long", "unproven", "crowded", "idle", "released", "closed"],
] as const satisfies readonly TcpEnd[];

/** What the media ports measure. */
export const PORT_METRICS = {
  ice_tcp_connections: {
    kind: "gauge",
    help: "Open ICE-TCP connections on each media port, by whether an authentic packet arrived.",
    labels: { port: ANY, state: ["proven", "unproven"] },
  },
  ice_tcp_ended_total: {
    kind: "counter",
    help: "ICE-TCP connections that ended, by reason.",
    labels: { reason: TCP_ENDS },
  },
} as const satisfies MetricTable;

/** Measures the media ports. */
export type PortMeter = Meter<typeof PORT_METRICS & typeof SHARED_METRICS>;
