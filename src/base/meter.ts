import { END_REASONS, ERROR_CODE_NAMES } from "./codes.ts";

/** Kind, help text and labels of one metric. */
export interface MetricDefinition {
  readonly kind: "counter" | "gauge" | "histogram";
  readonly help: string;
  /** Label names; their values come from small fixed sets, never from a session id. */
  readonly labels?: readonly string[];
  /**
   * Every value of a counter's only label. Each is shown as 0 from the start: a first event is then an increase, which
   * alerts see, and not a series that was not there before.
   */
  readonly values?: readonly string[];
  /** Upper bounds of a histogram's buckets, in the metric's unit. */
  readonly buckets?: readonly number[];
}

/** From a connection on loopback to a renderer that loads its model first (30 s at most). */
const JOINING = [0.01, 0.02, 0.05, 0.1, 0.2, 0.35, 0.5, 1, 2, 5, 10, 30] as const;

/** Dense about the interval of two pictures at 60, 30 and 25 a second; from 0.5 s on viewers see the idle picture. */
const PER_FRAME = [
  ...[0.0005, 0.001, 0.002, 0.004, 0.008, 0.012, 0.016, 0.024],
  ...[0.033, 0.04, 0.066, 0.1, 0.2, 0.5, 2],
] as const;

/** A packet costs about 16 µs, a picture has some ten for each viewer, and keyframes have many times as many. */
const SENDING = [0.0001, 0.0002, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1] as const;

/** Tunnels queue for seconds where networks would lose packets. */
const ROUND_TRIP = [
  ...[0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1],
  ...[0.15, 0.2, 0.3, 0.5, 1, 2, 5],
] as const;

/** Nothing, the little that is sent again unseen, and what shows. */
const LOSS = [0, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5] as const;

/** About the limits between which the rate moves, and what a tunnel may leave of them. */
const RATES = [100e3, 200e3, 300e3, 500e3, 750e3, 1e6, 1.5e6, 2e6, 3e6, 5e6, 10e6, 30e6] as const;

/** Below 60 ms nothing is done; from 250 ms on frames are left out. */
const QUEUES = [0.005, 0.01, 0.025, 0.06, 0.1, 0.15, 0.25, 0.5, 1, 2, 5] as const;

const LAG = [0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5] as const;

const CODECS = ["h264", "vp8"] as const;

/**
 * Every metric that Pinhole has. `/metrics` shows each with the prefix `pinhole_`; the reference table in
 * docs/metrics.md is made from here.
 */
export const METRICS = {
  build_info: {
    kind: "gauge",
    help: "Always 1; the labels tell the versions of Pinhole and Deno.",
    labels: ["version", "deno"],
  },
  port_places: {
    kind: "gauge",
    help: "Places for viewers on each bound media port, by state.",
    labels: ["port", "state"],
  },
  sessions: { kind: "gauge", help: "Open sessions." },
  viewers: { kind: "gauge", help: "Viewers that hold a place, by state.", labels: ["state"] },
  viewers_joined_total: { kind: "counter", help: "Offers that got an answer." },
  viewers_refused_total: {
    kind: "counter",
    help: "Offers and connections that were refused, by error code.",
    labels: ["code"],
    values: ERROR_CODE_NAMES,
  },
  viewers_ended_total: {
    kind: "counter",
    help: "Viewers that ended, by reason.",
    labels: ["reason"],
    values: END_REASONS,
  },
  viewer_moves_total: {
    kind: "counter",
    help:
      "Viewers that showed up at a new source address, by what showed it; the stream follows when that address agrees.",
    labels: ["proof"],
    values: ["stun", "srtcp", "dtls"],
  },
  consent_requests_total: {
    kind: "counter",
    help: "Requests that asked a viewer's address whether it wants the stream (RFC 7675).",
  },
  consents_granted_total: {
    kind: "counter",
    help: "Answers to such requests that were authentic and from that address.",
  },
  consents_lost_total: {
    kind: "counter",
    help:
      "Addresses that did not get the stream: new ones that did not answer within 3 s, and ones that agreed before and have not for 30 s.",
    labels: ["reason"],
    values: ["unanswered", "expired"],
  },
  packets_withheld_total: {
    kind: "counter",
    help:
      "Packets that were not sent since the viewer's address has not agreed or is silent, by kind.",
    labels: ["kind"],
    values: ["handshake", "control", "stream"],
  },
  unexpected_errors_total: {
    kind: "counter",
    help:
      "Defects that ended one viewer, session or timer (their kinds), or that nothing but the process's safety net caught.",
    labels: ["kind"],
    values: ["viewer", "session", "timer", "unhandled_rejection", "uncaught_error"],
  },
  answer_seconds: {
    kind: "histogram",
    help: "Time from an offer to its answer; opening the renderer's session is in it.",
    buckets: JOINING,
  },
  connect_seconds: {
    kind: "histogram",
    help: "Time from the answer to a finished DTLS handshake.",
    buckets: JOINING,
  },
  first_frame_seconds: {
    kind: "histogram",
    help: "Time from the offer to the first video packet sent.",
    buckets: JOINING,
  },
  renders_total: {
    kind: "counter",
    help: "Calls for a frame that came back, by what they brought.",
    labels: ["result"],
    values: ["frame", "unchanged", "idle", "end", "failed", "error"],
  },
  render_seconds: {
    kind: "histogram",
    help: "Time of one call for a frame, unless it failed.",
    buckets: PER_FRAME,
  },
  encode_seconds: {
    kind: "histogram",
    help: "Time to convert and encode one frame, by codec.",
    labels: ["codec"],
    buckets: PER_FRAME,
  },
  send_seconds: {
    kind: "histogram",
    help: "Time to packetize one frame, and to encrypt and send it for all its viewers, by codec.",
    labels: ["codec"],
    buckets: SENDING,
  },
  frames_sent_total: {
    kind: "counter",
    help: "Encoded frames, by codec.",
    labels: ["codec"],
    values: CODECS,
  },
  frames_dropped_total: {
    kind: "counter",
    help: "Frames dropped before they were encoded, by reason.",
    labels: ["reason"],
    values: ["late", "superseded", "encoder_busy", "encoder_skipped", "path_full"],
  },
  viewers_left_out_total: {
    kind: "counter",
    help:
      "Times that a viewer whose path stayed full was left out until it could go on, while others saw on.",
  },
  layer_changes_total: {
    kind: "counter",
    help: "Viewers that were given another encoding of their session's video, by which.",
    labels: ["to"],
    values: ["main", "low"],
  },
  video_target_bits_per_second: {
    kind: "histogram",
    help: "Rate of video that the way to a viewer takes, once a second for each.",
    buckets: RATES,
  },
  path_queue_seconds: {
    kind: "histogram",
    help: "How long packets queue on the way to a viewer, once a second for each.",
    buckets: QUEUES,
  },
  audio_packets_total: { kind: "counter", help: "Opus packets made; silence makes none." },
  audio_dropped_total: {
    kind: "counter",
    help: "Pieces of sound dropped before they were encoded, by reason.",
    labels: ["reason"],
  },
  messages_total: {
    kind: "counter",
    help: "Messages between viewers and renderers, by direction.",
    labels: ["direction"],
  },
  messages_dropped_total: {
    kind: "counter",
    help: "Messages that were dropped, by direction and reason.",
    labels: ["direction", "reason"],
  },
  data_packets_dropped_total: {
    kind: "counter",
    help: "What came over viewers' data channels and was dropped, by reason.",
    labels: ["reason"],
    values: [
      ...["short", "checksum", "malformed", "too_many_chunks", "over_budget", "wrong_port"],
      ...["wrong_tag", "bundled", "unexpected_chunk", "unknown_chunk", "bad_init", "bad_cookie"],
      ...["restart", "outside_window", "invalid_stream", "old_sack", "long_heartbeat"],
      ...["message_too_long", "after_end", "bad_dcep", "channel_twice", "too_many_channels"],
      ...["unknown_channel", "unknown_ppid"],
    ],
  },
  data_channels_ended_total: {
    kind: "counter",
    help: "Data channels that ended before their viewer did, by reason; the viewer watches on.",
    labels: ["reason"],
    values: [
      ...["aborted_by_viewer", "shut_down_by_viewer", "unanswered", "no_user_data"],
      ...["window_exceeded", "skips_too_far", "sack_beyond_sent", "pieces_contradict"],
      ...["order_contradicts", "too_many_streams"],
    ],
  },
  renderer_stalls_total: {
    kind: "counter",
    help: "Calls of the renderer that took so long that viewers saw the idle picture, by call.",
    labels: ["call"],
    values: ["render", "audio", "poll_message"],
  },
  renderer_errors_total: {
    kind: "counter",
    help: "Failed calls of the renderer, by call; `bridge` and `process` are its connection.",
    labels: ["call"],
    values: ["open", "render", "audio", "poll_message", "close", "bridge", "process"],
  },
  keyframes_requested_total: {
    kind: "counter",
    help: "Keyframes asked for, by reason.",
    labels: ["reason"],
    values: ["join", "pli", "fir", "nack", "moved", "left_out", "resumed"],
  },
  keyframes_suppressed_total: {
    kind: "counter",
    help:
      "Requests for a keyframe that were put off since their viewer, one of several who are sent the same, had asked too often, by reason.",
    labels: ["reason"],
    values: ["pli", "fir", "nack", "moved", "left_out"],
  },
  rtp_packets_sent_total: { kind: "counter", help: "RTP packets sent, retransmissions included." },
  rtp_bytes_sent_total: {
    kind: "counter",
    help: "Bytes of RTP packets sent, without the headers of UDP or TCP and IP.",
  },
  rtp_packets_nacked_total: {
    kind: "counter",
    help: "RTP packets that viewers asked for again by NACK.",
  },
  rtp_packets_retransmitted_total: {
    kind: "counter",
    help: "RTP packets sent again after a NACK.",
  },
  round_trip_seconds: {
    kind: "histogram",
    help: "Round trip to a viewer, once for each of its reports.",
    buckets: ROUND_TRIP,
  },
  packet_loss_ratio: {
    kind: "histogram",
    help: "Share of video packets that a viewer lost, 0 to 1, once for each of its reports.",
    buckets: LOSS,
  },
  send_errors_total: { kind: "counter", help: "Packets that the host refused to send." },
  stun_requests_total: { kind: "counter", help: "STUN requests that were answered." },
  stun_rejected_total: {
    kind: "counter",
    help: "STUN messages that were dropped, by reason.",
    labels: ["reason"],
  },
  path_checks_total: {
    kind: "counter",
    help: "Requests for a path check, by outcome.",
    labels: ["outcome"],
  },
  packets_dropped_total: {
    kind: "counter",
    help: "Packets on the media ports that were dropped, by reason.",
    labels: ["reason"],
  },
  ice_tcp_connections: {
    kind: "gauge",
    help: "Open ICE-TCP connections on each media port, by whether an authentic packet came.",
    labels: ["port", "state"],
  },
  ice_tcp_ended_total: {
    kind: "counter",
    help: "ICE-TCP connections that ended, by reason.",
    labels: ["reason"],
  },
  event_loop_lag_seconds: {
    kind: "histogram",
    help: "How late a timer on the event loop fired.",
    buckets: LAG,
  },
} as const satisfies Record<string, MetricDefinition>;

/** Name of a metric, without the prefix. */
export type MetricName = keyof typeof METRICS;

/** Values for a metric's labels. */
export type MetricLabels = Readonly<Record<string, string | number>>;

/** Takes measurements. Names and labels are those of {@link METRICS}. */
export interface Meter {
  /** Adds to a counter. `by` is 1 unless told. */
  count(name: MetricName, labels?: MetricLabels, by?: number): void;
  /** Sets a gauge. */
  gauge(name: MetricName, value: number, labels?: MetricLabels): void;
  /** Adds one value, in the metric's unit, to a histogram. */
  observe(name: MetricName, value: number, labels?: MetricLabels): void;
}

/** Drops every measurement. */
export const NULL_METER: Meter = { count() {}, gauge() {}, observe() {} };
