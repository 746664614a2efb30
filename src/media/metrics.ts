import type { Meter, MetricTable } from "../base/meter.ts";
import { VIDEO_CODECS } from "./encoder.ts";

export const MEDIA_METRICS = {
  idle_loops: {
    kind: "gauge",
    help: "Encoded idle loops in memory, shared by all sessions, including those being encoded.",
  },
  idle_loop_bytes: { kind: "gauge", help: "Bytes of encoded idle loops." },
  idle_loops_encoded_total: {
    kind: "counter",
    help: "Idle loops that were encoded, by codec; all sessions share them.",
    labels: { codec: VIDEO_CODECS },
  },
} as const satisfies MetricTable;

export type MediaMeter = Meter<typeof MEDIA_METRICS>;
