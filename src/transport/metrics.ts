import type { Meter, MetricTable } from "../base/meter.ts";
import type { SHARED_METRICS } from "../base/shared_metrics.ts";
import type { ChannelDrop } from "./sctp/channels.ts";
import type { AssociationEnd } from "./sctp/events.ts";

/** Up to seconds, because tunnels queue packets that networks would drop. */
const ROUND_TRIP = [
  ...[0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1],
  ...[0.15, 0.2, 0.3, 0.5, 1, 2, 5],
] as const;

/** No loss, loss that retransmission hides, and visible loss. */
const LOSS = [0, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5] as const;

/** The usual range of rates, and what a tunnel may leave of it. */
const RATES = [100e3, 200e3, 300e3, 500e3, 750e3, 1e6, 1.5e6, 2e6, 3e6, 5e6, 10e6, 30e6] as const;

/** Below 60 ms the rate is not reduced; from 250 ms on frames are skipped. */
const QUEUES = [0.005, 0.01, 0.025, 0.06, 0.1, 0.15, 0.25, 0.5, 1, 2, 5] as const;

const STUN_REJECTIONS = [
  ...["too_short", "not_stun", "bad_cookie", "bad_length", "bad_attribute", "after_fingerprint"],
  ...["not_a_binding_request", "fingerprint", "unknown_user", "username", "integrity"],
  ...["unknown_response", "response_source", "response_integrity", "response_error"],
] as const;
/** Why a STUN message was dropped. */
export type StunDrop = typeof STUN_REJECTIONS[number];

const DATA_DROPS = [
  ...["short", "checksum", "malformed", "too_many_chunks", "over_budget", "wrong_port"],
  ...["wrong_tag", "bundled", "unexpected_chunk", "unknown_chunk", "bad_init", "bad_cookie"],
  ...["restart", "outside_window", "invalid_stream", "old_sack", "long_heartbeat"],
  ...["message_too_long", "after_end", "bad_dcep", "channel_twice", "too_many_channels"],
  ...["unknown_channel", "unknown_ppid"],
] as const satisfies readonly ChannelDrop[];

const DATA_ENDS = [
  ...["aborted_by_viewer", "shut_down_by_viewer", "unanswered", "no_user_data"],
  ...["window_exceeded", "skips_too_far", "sack_beyond_sent", "pieces_contradict"],
  ...["order_contradicts", "too_many_streams"],
] as const satisfies readonly AssociationEnd[];

/** Metrics of viewers' connections. */
export const TRANSPORT_METRICS = {
  viewer_moves_total: {
    kind: "counter",
    help:
      "Viewers whose packets came from a new source address, by proof; the stream moves when that address consents.",
    labels: { proof: ["stun", "srtcp", "dtls"] },
  },
  consent_requests_total: {
    kind: "counter",
    help: "Consent requests to viewers' addresses (RFC 7675).",
  },
  consents_granted_total: {
    kind: "counter",
    help: "Authentic answers to consent requests, from the same address.",
  },
  consents_lost_total: {
    kind: "counter",
    help:
      "Addresses without consent: new ones that did not answer within 3 s, and earlier ones that have not answered for 30 s.",
    labels: { reason: ["unanswered", "expired"] },
  },
  packets_withheld_total: {
    kind: "counter",
    help:
      "Packets that were not sent because the viewer's address has not consented or is silent, by kind.",
    labels: { kind: ["handshake", "control", "stream"] },
  },
  video_target_bits_per_second: {
    kind: "histogram",
    help: "Video bitrate that the path to a viewer can carry, once a second for each.",
    buckets: RATES,
  },
  path_queue_seconds: {
    kind: "histogram",
    help: "Queueing delay of packets on the path to a viewer, once a second for each.",
    buckets: QUEUES,
  },
  shared_paths: {
    kind: "gauge",
    help: "Bottlenecks that several viewers share, such as one tunnel, as far as it is known.",
  },
  shared_path_viewers: {
    kind: "gauge",
    help: "Viewers that share a bottleneck with others, and its capacity evenly.",
  },
  rtp_packets_sent_total: { kind: "counter", help: "RTP packets sent, retransmissions included." },
  rtp_bytes_sent_total: {
    kind: "counter",
    help: "Bytes of RTP packets sent, without the headers of UDP or TCP and IP.",
  },
  rtp_packets_nacked_total: {
    kind: "counter",
    help: "RTP packets that viewers requested again by NACK.",
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
    labels: { reason: STUN_REJECTIONS },
  },
  data_packets_dropped_total: {
    kind: "counter",
    help: "Input of viewers' data channels that was dropped, by reason.",
    labels: { reason: DATA_DROPS },
  },
  data_channels_ended_total: {
    kind: "counter",
    help: "Data channels that ended before their viewer, by reason; the viewer continues.",
    labels: { reason: DATA_ENDS },
  },
} as const satisfies MetricTable;

/** Records the metrics of viewers' connections. */
export type TransportMeter = Meter<typeof TRANSPORT_METRICS & typeof SHARED_METRICS>;
