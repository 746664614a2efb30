/**
 * Caps of the TCP side of media ports, each with its reason. Through a tunnel every connection comes from 127.0.0.1,
 * so none of them is by source address.
 */

/**
 * Time for the first authentic packet of a new connection, in milliseconds. A browser sends a check as soon as it has
 * connected; the rest is room for a tunnel that queues for seconds.
 */
export const TCP_UNPROVEN_MS_MAX = 5_000;

/**
 * Connections of one port that have not sent an authentic packet yet. One more ends the one that waits longest: a
 * browser proves itself within a round trip, so those that sit there are not browsers, and cannot lock one out.
 */
export const TCP_UNPROVEN_CONNECTIONS_MAX = 32;

/**
 * Connections of one port in all: as many viewers as may share it (256), each with one or two, and the newcomers. They
 * cost a file descriptor and some 20 KiB each.
 */
export const TCP_CONNECTIONS_MAX = 512;

/**
 * A connection without an authentic check is ended after this long. Browsers check the path they use every few seconds,
 * and Chrome one that it holds in reserve every 25 s.
 */
export const TCP_IDLE_MS_MAX = 60_000;

/**
 * How long a packet may wait behind others for a connection that does not drain, in milliseconds. A keyframe takes
 * half a second at the rate of the stream; what is late by more is worth less than the next picture.
 */
export const TCP_QUEUE_MS_MAX = 1_000;

/** Bytes that may wait for one connection: the largest burst, a keyframe of a stream of 50 Mbit/s, with room. */
export const TCP_QUEUE_BYTES_MAX = 1024 * 1024;

/**
 * Bytes that leave in one write. A frame of usual size fits, so that it costs one call; and it is what can no longer
 * be taken back when the connection stalls.
 */
export const TCP_WRITE_BYTES_MAX = 32 * 1024;

/**
 * Bytes that the host may hold for a connection beyond those that are on their way: a tenth of a second at the usual
 * rate, and enough to keep a fast path busy until the next write.
 */
export const TCP_UNSENT_BYTES_MAX = 32 * 1024;

/** Time for the last packets (a goodbye) of a connection that the server ends, in milliseconds. */
export const TCP_FAREWELL_MS_MAX = 1_000;
