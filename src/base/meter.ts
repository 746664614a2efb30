/** Kind, help text and labels of one metric. */
export interface MetricDefinition {
  readonly kind: "counter" | "gauge" | "histogram";
  readonly help: string;
  /** Label names; their values come from small fixed sets, never from a session id. */
  readonly labels?: readonly string[];
  /** Upper bounds of a histogram's buckets, in the metric's unit. */
  readonly buckets?: readonly number[];
}

const SECONDS = [0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10] as const;

/**
 * Every metric that Pinhole has. `/metrics` shows each with the prefix `pinhole_`; the reference table in
 * docs/metrics.md is made from here.
 */
export const METRICS = {
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
  },
  viewers_ended_total: {
    kind: "counter",
    help: "Viewers that ended, by reason.",
    labels: ["reason"],
  },
  viewer_moves_total: {
    kind: "counter",
    help: "Viewers that went on from a new source address, by what proved it.",
    labels: ["proof"],
  },
  connect_seconds: {
    kind: "histogram",
    help: "Time from the offer to a finished DTLS handshake.",
    buckets: SECONDS,
  },
  first_frame_seconds: {
    kind: "histogram",
    help: "Time from the offer to the first video packet sent.",
    buckets: SECONDS,
  },
  render_seconds: { kind: "histogram", help: "Time of one call for a frame.", buckets: SECONDS },
  encode_seconds: {
    kind: "histogram",
    help: "Time to convert and encode one frame, by codec.",
    labels: ["codec"],
    buckets: SECONDS,
  },
  frames_sent_total: { kind: "counter", help: "Encoded frames, by codec.", labels: ["codec"] },
  frames_dropped_total: {
    kind: "counter",
    help: "Frames dropped before they were encoded, by reason.",
    labels: ["reason"],
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
  renderer_stalls_total: {
    kind: "counter",
    help: "Calls of the renderer that took so long that viewers saw the idle picture, by call.",
    labels: ["call"],
  },
  renderer_errors_total: {
    kind: "counter",
    help: "Failed calls of the renderer, by call.",
    labels: ["call"],
  },
  keyframes_requested_total: {
    kind: "counter",
    help: "Keyframes asked for, by reason.",
    labels: ["reason"],
  },
  rtp_packets_sent_total: { kind: "counter", help: "RTP packets sent, retransmissions included." },
  rtp_bytes_sent_total: {
    kind: "counter",
    help: "Bytes of RTP packets sent, without the headers of UDP or TCP and IP.",
  },
  rtp_packets_retransmitted_total: {
    kind: "counter",
    help: "RTP packets sent again after a NACK.",
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
    buckets: SECONDS,
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
