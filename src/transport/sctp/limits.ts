import type { TokenRate } from "../../base/token_bucket.ts";

/** Limits of SCTP for data channels, each with its reason. Times are in milliseconds, sizes in bytes. */

/**
 * Maximum packet to send. Its DTLS record adds 37 bytes, and 1225 bytes of UDP fit the minimum MTU of IPv6 (1280) as
 * well as frp's 1500. A multiple of 4, so that no full packet needs padding.
 */
export const PACKET_BYTES_MAX = 1188;

/** Maximum chunks of a received packet. The shortest with data has 20 bytes, so a datagram of 1500 has 74 of them. */
export const PACKET_CHUNKS_MAX = 80;

/** Maximum parameters of one chunk. Browsers send six. */
export const PARAMETERS_MAX = 64;

export { MESSAGE_BYTES_MAX } from "../../base/limits.ts";

/**
 * Maximum received data that waits for missing data: the advertised window. Sixteen of the longest messages, or 100 ms
 * at 80 Mbit/s.
 */
export const RECEIVE_WINDOW_BYTES = 1024 * 1024;

/** Cost of a fragment besides its bytes, for objects and lists, which tiny fragments exhaust first. */
export const PIECE_COST_BYTES = 200;

/**
 * How far ahead of missing data a TSN may be. Fragments beyond a window of the smallest ones
 * ({@link PIECE_COST_BYTES}) could not be kept anyway.
 */
export const TSNS_AHEAD_MAX = 8192;

/**
 * Maximum gaps in received data; a packet that makes one more is ignored until it is retransmitted. A path with 10 %
 * loss makes 100.
 */
export const GAPS_MAX = 256;

/** Maximum gaps in one SACK: a quarter of a packet. Later SACKs have the others. */
export const GAPS_TOLD_MAX = 64;

/**
 * How far a FORWARD-TSN may skip: a window full of messages of one byte. Larger skips contain numbers that were never
 * used.
 */
export const SKIP_MAX = RECEIVE_WINDOW_BYTES;

/** Streams in each direction. Browsers number channels from 0 in steps of two, so this allows 512 channels. */
export const STREAMS_MAX = 1024;

/** Maximum data channels of a viewer, including those that are closing. */
export const CHANNELS_MAX = 64;

/** Maximum queued bytes for a slow viewer; beyond that, messages are refused. */
export const WAITING_BYTES_MAX = 1024 * 1024;

/** Maximum queued messages for a slow viewer: half a second at the maximum rate of a renderer. */
export const WAITING_MESSAGES_MAX = 256;

/** Maximum unacknowledged chunks in flight, because each SACK scans all of them. */
export const SENT_CHUNKS_MAX = 1024;

/**
 * The congestion window starts with ten packets (RFC 6928, as in browsers) and grows to at most two of the longest
 * messages: frp queues packets that a network would drop, and that delays the picture.
 */
export const WINDOW_PACKETS_INITIAL = 10;
export const CONGESTION_WINDOW_MAX = 128 * 1024;

/**
 * Retransmission timeouts. RFC 9260 §16 has 1 s to 60 s. With so few packets most losses are detected by the timer,
 * and a second is too long for users. The standard's minimum allows for delayed acknowledgements, which the I bit
 * avoids here (RFC 9260 §3.3.1). The maximum is small because after a tunnel was away for half a minute, the viewer
 * must not wait as long again.
 */
export const RTO_INITIAL_MS = 500;
export const RTO_MIN_MS = 200;
export const RTO_MAX_MS = 3_000;

/** Timeouts in a row until the association ends: about a minute, so that it survives a tunnel that reconnects. */
export const RETRANSMISSIONS_MAX = 24;

/** Retransmissions of INIT, COOKIE-ECHO, RE-CONFIG or SHUTDOWN-ACK: half a minute. */
export const CONTROL_RETRANSMISSIONS_MAX = 12;

/** Maximum delay of an acknowledgement, for a second packet or for bundling with data; RFC 9260 §6.2 allows 500. */
export const SACK_DELAY_MS = 20;

/** How long to wait for the peer's INIT before sending ours: browsers start at once, and one INIT is enough. */
export const INIT_WAIT_MS = 300;

/** Lifetime of a cookie (RFC 9260 §16). */
export const COOKIE_LIFETIME_MS = 60_000;

/** Random bytes of a cookie, which must be unguessable. */
export const COOKIE_BYTES = 16;

/** Maximum HEARTBEAT that is answered; those of browsers have 50 bytes. */
export const HEARTBEAT_BYTES_MAX = 256;

/**
 * Limit of packets and chunks of one viewer per second, and as a burst; costly chunks count tenfold. 4000 full packets
 * are 4.6 MB, of which the renderer gets at most a quarter of a MiB; acknowledgements of every second sent packet fit
 * as well. The worst case found takes 15 % of a core, besides decryption.
 */
export const PACKETS: TokenRate = { perSecond: 4_000 };
export const CHUNKS: TokenRate = { perSecond: 20_000 };
