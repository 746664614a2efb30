import type { TokenRate } from "../../base/token_bucket.ts";

/** Bounds of the SCTP behind data channels, each with its reason. Times are milliseconds, sizes are bytes. */

/**
 * Longest packet that is sent. Its DTLS record adds 37 bytes, and 1225 bytes of UDP pass the smallest MTU that IPv6 allows
 * (1280) as well as frp's 1500. A multiple of 4, so that no full packet needs padding.
 */
export const PACKET_BYTES_MAX = 1188;

/** Chunks of one packet that is taken. The shortest with data has 20 bytes, so a datagram of 1500 has 74 of them. */
export const PACKET_CHUNKS_MAX = 80;

/** Parameters of one chunk that are looked at. Browsers send six. */
export const PARAMETERS_MAX = 64;

export { MESSAGE_BYTES_MAX } from "../../base/limits.ts";

/**
 * What may wait of a viewer's messages because something before it is missing: the window that is advertised. Sixteen of
 * the longest messages, or 100 ms at 80 Mbit/s.
 */
export const RECEIVE_WINDOW_BYTES = 1024 * 1024;

/** What a piece of a message costs beside its bytes: objects and their places in lists, which tiny pieces fill first. */
export const PIECE_COST_BYTES = 200;

/**
 * How far ahead of what is missing a TSN may be. Beyond the window's worth of pieces ({@link PIECE_COST_BYTES}) none could
 * be kept anyway.
 */
export const TSNS_AHEAD_MAX = 8192;

/** Gaps in what has come, at most; a packet that makes one more is left to come again. A path that loses 10 % makes 100. */
export const GAPS_MAX = 256;

/** Gaps that one SACK names, at most: a quarter of a packet. The others stand in the next ones. */
export const GAPS_TOLD_MAX = 64;

/**
 * How far a FORWARD-TSN may skip: a window full of messages of one byte. Whoever skips more names numbers that were never
 * in use.
 */
export const SKIP_MAX = RECEIVE_WINDOW_BYTES;

/**
 * Streams either way. Browsers number channels from 0 upwards in steps of two, so a page would have to keep 512 of
 * them open.
 */
export const STREAMS_MAX = 1024;

/** Data channels of a viewer that are open at once, those included that we are about to close. */
export const CHANNELS_MAX = 64;

/** Bytes of messages that wait for a slow viewer; beyond, a message is refused. */
export const WAITING_BYTES_MAX = 1024 * 1024;

/** Messages that wait for a slow viewer: half a second of all that a renderer can say. */
export const WAITING_MESSAGES_MAX = 256;

/** Chunks on their way that are not acknowledged, at most: each SACK looks at all of them. */
export const SENT_CHUNKS_MAX = 1024;

/**
 * The congestion window begins with ten packets (RFC 6928, as browsers do) and grows to two of the longest messages at
 * most: frp queues where networks would lose, and what queues there delays the picture.
 */
export const WINDOW_PACKETS_INITIAL = 10;
export const CONGESTION_WINDOW_MAX = 128 * 1024;

/**
 * Time-outs of a retransmission. RFC 9260 §16 says 1 s at least and 60 s at most. With so few packets a loss is mostly
 * found by the timer, and a second is long for who waits; delayed acknowledgements, the reason for the second, are
 * avoided by the I bit (RFC 9260 §3.3.1). And a tunnel that comes back after half a minute must not wait half a minute more.
 */
export const RTO_INITIAL_MS = 500;
export const RTO_MIN_MS = 200;
export const RTO_MAX_MS = 3_000;

/** Time-outs in a row until the association ends: about a minute, so that it outlives a tunnel that reconnects. */
export const RETRANSMISSIONS_MAX = 24;

/** How often INIT, COOKIE-ECHO, RE-CONFIG or SHUTDOWN-ACK is sent again: half a minute. */
export const CONTROL_RETRANSMISSIONS_MAX = 12;

/** How long an acknowledgement may wait for a second packet or for data to go with; RFC 9260 §6.2 allows 500. */
export const SACK_DELAY_MS = 20;

/** How long the other side has to begin before we do: browsers begin at once, and one INIT is enough. */
export const INIT_WAIT_MS = 300;

/** How long a cookie is good for (RFC 9260 §16). */
export const COOKIE_LIFETIME_MS = 60_000;

/** Random bytes of a cookie, so that it cannot be guessed. */
export const COOKIE_BYTES = 16;

/** Longest HEARTBEAT that is answered; those of browsers have 50 bytes. */
export const HEARTBEAT_BYTES_MAX = 256;

/**
 * Packets and chunks in a second of one viewer, and as many at once; chunks that make work count tenfold. 4000 full packets
 * are 4.6 MB, of which the renderer gets a quarter of a MiB at most, and an acknowledgement of every second packet that
 * leaves fits in as well. The worst that was found for them takes 15 % of a core, beside the decryption.
 */
export const PACKETS: TokenRate = { perSecond: 4_000 };
export const CHUNKS: TokenRate = { perSecond: 20_000 };
