import type { Meter, MetricTable } from "./meter.ts";

/** Reasons of `messages_dropped_total`. */
const MESSAGE_DROPS = [
  ...["no_writer", "not_read", "not_taken", "no_way", "too_long", "too_many"],
  ...["viewer_only", "over_budget"],
] as const;

/** Reasons of `frames_dropped_total`. */
const FRAME_DROPS = [
  "late",
  "superseded",
  "encoder_busy",
  "encoder_skipped",
  "path_full",
  "no_keyframe",
] as const;
/** Why a frame was dropped. */
export type FrameDrop = typeof FRAME_DROPS[number];

/** Reasons of `packets_dropped_total`. */
const PACKET_DROPS = [
  ...["too_long", "impossible_source", "unknown_kind", "unknown_source", "rtp", "tcp_backlog"],
  ...["dtls_malformed", "dtls_unexpected", "dtls_flood", "dtls_forged", "dtls_replayed"],
  ...["early_rtcp", "srtcp_forged", "rtcp_malformed", "rtcp_flood", "internal_error"],
] as const;
/** Why a packet on a media port was dropped. */
export type PacketDrop = typeof PACKET_DROPS[number];

/** Metrics that several folders count; those of one folder are in its `metrics.ts`. */
export const SHARED_METRICS = {
  frames_dropped_total: {
    kind: "counter",
    help: "Frames dropped before they were rendered or encoded, by reason.",
    labels: { reason: FRAME_DROPS },
  },
  audio_dropped_total: {
    kind: "counter",
    help: "Audio chunks dropped before they were encoded, by reason.",
    labels: { reason: ["encoder_busy", "too_far_ahead"] },
  },
  messages_dropped_total: {
    kind: "counter",
    help: "Messages that were dropped, by direction and reason.",
    labels: { direction: ["to_renderer", "to_viewer"], reason: MESSAGE_DROPS },
  },
  renderer_errors_total: {
    kind: "counter",
    help: "Failed calls of the renderer, by call; `bridge` and `process` are its connection.",
    labels: { call: ["open", "render", "audio", "poll_message", "close", "bridge", "process"] },
  },
  packets_dropped_total: {
    kind: "counter",
    help: "Packets on the media ports that were dropped, by reason.",
    labels: { reason: PACKET_DROPS },
  },
  unexpected_errors_total: {
    kind: "counter",
    help:
      "Defects that ended one viewer, session or timer (their kinds), or that only the process-wide handler caught.",
    labels: { kind: ["viewer", "session", "timer", "unhandled_rejection", "uncaught_error"] },
  },
} as const satisfies MetricTable;

/** Records only the shared metrics. */
export type SharedMeter = Meter<typeof SHARED_METRICS>;
