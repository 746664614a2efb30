import { END_REASONS } from "../base/codes.ts";
import { ANY, type Meter, type MetricTable } from "../base/meter.ts";
import type { SHARED_METRICS } from "../base/shared_metrics.ts";
import { VIDEO_CODECS } from "../media/encoder.ts";
import type { RenderResult } from "../media/frame.ts";

/** Covers everything from a connection on loopback to a renderer that first loads its model (30 s at most). */
const JOIN_BUCKETS_S = [0.01, 0.02, 0.05, 0.1, 0.2, 0.35, 0.5, 1, 2, 5, 10, 30] as const;

/** Dense around the frame interval at 60, 30 and 25 fps; from 0.5 s on viewers see the idle picture. */
const PER_FRAME = [
  ...[0.0005, 0.001, 0.002, 0.004, 0.008, 0.012, 0.016, 0.024],
  ...[0.033, 0.04, 0.066, 0.1, 0.2, 0.5, 2],
] as const;

/** A packet costs about 16 µs. A picture has about ten per viewer, and a keyframe many times more. */
const SENDING = [0.0001, 0.0002, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1] as const;

const RENDER_RESULTS = [
  "frame",
  "unchanged",
  "idle",
  "end",
  "failed",
  "error",
] as const satisfies readonly (RenderResult["status"] | "error")[];

const KEYFRAME_REASONS = ["join", "pli", "fir", "nack", "moved", "left_out", "resumed"] as const;
/** Why a keyframe was requested. */
export type KeyframeReason = typeof KEYFRAME_REASONS[number];
/** Why a viewer requests a keyframe. */
export type KeyframeRequestReason = Exclude<KeyframeReason, "join" | "left_out">;

const SOURCE_CALLS = ["render", "audio", "poll_message"] as const;
/** A function of a source that is called for each picture. */
export type SourceCall = typeof SOURCE_CALLS[number];

/** Metrics of sessions and their viewers. */
export const SESSION_METRICS = {
  headroom_ratio: {
    kind: "gauge",
    help:
      "Share of the server that was free in the last 5 s, 0 to 1: of the event loop or of the encoders, whichever is less.",
  },
  port_places: {
    kind: "gauge",
    help: "Places for viewers on each bound media port, by state.",
    labels: { port: ANY, state: ["free", "used"] },
  },
  sessions: { kind: "gauge", help: "Open sessions." },
  viewers: {
    kind: "gauge",
    help: "Viewers that hold a place, by state.",
    labels: { state: ["connecting", "connected", "disconnected"] },
  },
  viewers_joined_total: { kind: "counter", help: "Offers that got an answer." },
  viewers_ended_total: {
    kind: "counter",
    help: "Viewers that ended, by reason.",
    labels: { reason: END_REASONS },
  },
  answer_seconds: {
    kind: "histogram",
    help: "Time from an offer to its answer, with the time to open the renderer's session.",
    buckets: JOIN_BUCKETS_S,
  },
  connect_seconds: {
    kind: "histogram",
    help: "Time from the answer to a finished DTLS handshake.",
    buckets: JOIN_BUCKETS_S,
  },
  first_frame_seconds: {
    kind: "histogram",
    help: "Time from the offer to the first video packet sent.",
    buckets: JOIN_BUCKETS_S,
  },
  renders_total: {
    kind: "counter",
    help: "Calls for a frame that returned, by result.",
    labels: { result: RENDER_RESULTS },
  },
  render_seconds: {
    kind: "histogram",
    help: "Duration of one call for a frame that did not fail.",
    buckets: PER_FRAME,
  },
  encode_seconds: {
    kind: "histogram",
    help: "Time to convert and encode one frame, by codec.",
    labels: { codec: VIDEO_CODECS },
    buckets: PER_FRAME,
  },
  send_seconds: {
    kind: "histogram",
    help: "Time to packetize one frame, and to encrypt and send it for all its viewers, by codec.",
    labels: { codec: VIDEO_CODECS },
    buckets: SENDING,
  },
  frames_sent_total: {
    kind: "counter",
    help: "Encoded frames, by codec.",
    labels: { codec: VIDEO_CODECS },
  },
  viewers_left_out_total: {
    kind: "counter",
    help:
      "Times that a viewer with a full path was left out until it could continue, while others continued.",
  },
  layer_changes_total: {
    kind: "counter",
    help: "Viewers that changed to another encoding of their session's video, by encoding.",
    labels: { to: ["main", "low"] },
  },
  audio_packets_total: { kind: "counter", help: "Opus packets encoded; silence produces none." },
  messages_total: {
    kind: "counter",
    help: "Messages between viewers and renderers, by direction.",
    labels: { direction: ["to_renderer", "to_viewer"] },
  },
  renderer_stalls_total: {
    kind: "counter",
    help: "Calls of the renderer so slow that viewers saw the idle picture, by call.",
    labels: { call: SOURCE_CALLS },
  },
  keyframes_requested_total: {
    kind: "counter",
    help: "Keyframe requests, by reason.",
    labels: { reason: KEYFRAME_REASONS },
  },
  keyframes_suppressed_total: {
    kind: "counter",
    help:
      "Keyframe requests that were delayed because their viewer, one of several of one encoding, requests too many, by reason.",
    labels: { reason: ["pli", "fir", "nack", "moved", "left_out", "resumed"] },
  },
} as const satisfies MetricTable;

/** Records the metrics of sessions and their viewers. */
export type SessionMeter = Meter<typeof SESSION_METRICS & typeof SHARED_METRICS>;
