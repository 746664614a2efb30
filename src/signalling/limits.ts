import type { TokenRate } from "../base/token_bucket.ts";

/**
 * Every cap of the HTTP side, each with its reason. Through a tunnel all clients have one address, so none of them goes
 * by address.
 *
 * `node:http` of Deno 2.9.6 keeps none of its own deadlines on connections that are handed to it, so the streams that it
 * reads from have the limits that begin with `BACKLOG`, `CONNECTIONS`, `REQUEST` and `CLIENT`.
 */

/** Longest head of a request, in bytes. A token has 4 KiB at most, and `params` as much. */
export const HEAD_BYTES_MAX = 64 * 1024;

/** Longest message from a client, in bytes of UTF-8. A browser's offer with every codec it has is under 20 KiB. */
export const MESSAGE_BYTES_MAX = 256 * 1024;

/** Longest `params` of an offer, in bytes of JSON. They cross the renderer's C interface as one string. */
export const PARAMS_BYTES_MAX = 4 * 1024;

/** Longest name of an idle source, in characters. They are keys of the configuration file. */
export const IDLE_NAME_CHARS_MAX = 128;

/** Longest candidate line, in characters. Browsers write 100 to 200; the line is checked for shape and dropped. */
export const CANDIDATE_CHARS_MAX = 1024;

/** Longest media id and username fragment of a candidate, in characters (RFC 8839 §5.4: up to 256). */
export const CANDIDATE_FIELD_CHARS_MAX = 256;

/** Longest viewer id that is looked up, in characters; ours are far shorter. */
export const VIEWER_ID_CHARS_MAX = 256;

/** Session ids are path segments and metric-free log fields: short, and with nothing to escape. */
export const SESSION_ID_PATTERN = /^[A-Za-z0-9_-]{1,64}$/;

/** Messages of one client that wait while its offer is being answered. A page sends a handful in that time. */
export const QUEUED_MESSAGES_MAX = 64;

/** Bytes of such messages, so that one waiting client holds no more than one long message. */
export const QUEUED_BYTES_MAX = MESSAGE_BYTES_MAX;

/** Messages of the renderer that are kept for a viewer whose answer is not out yet. */
export const EARLY_MESSAGES_MAX = 64;

/**
 * Unsent bytes at which a client counts as gone: a tunnel that stalls for a second holds a few kilobytes of
 * signalling, so a megabyte means that nobody reads.
 */
export const BUFFERED_BYTES_MAX = 1024 * 1024;

/**
 * Unsent bytes at which messages of the renderer are dropped: one that says more than a page reads costs the page some
 * of them, and not its connection.
 */
export const RENDERER_BUFFERED_BYTES_MAX = BUFFERED_BYTES_MAX / 2;

/**
 * WebSockets at one time. A silent one costs about 40 KiB, so a thousand stay under 50 MiB, and a host with five
 * ports serves far fewer people than that. A socket counts until its TCP connection is gone.
 */
export const WEB_SOCKETS_MAX = 1024;

/** How long a new connection may say nothing, in milliseconds. Long enough for a page that waits for a click. */
export const FIRST_MESSAGE_WAIT_MS = 60_000;

/**
 * Silence after which a WebSocket counts as broken, in seconds. Half of it passes, then a ping goes out: that keeps
 * proxies from closing an idle connection after their usual 30 to 60 s.
 */
export const WEB_SOCKET_IDLE_S = 30;

/**
 * Time between an error and the close frame after it, and between the last close frame and the end of the connection, in
 * milliseconds. A message that arrives on a connection that is closed resets it, and a reset can cost a client what it
 * has not read yet. Candidates arrive right behind every offer, so the client gets this long to read why the offer was
 * refused.
 */
export const CLOSE_LINGER_MS = 100;

/** Longest reason of a close frame, in bytes (RFC 6455 §5.5: 125 with the code). */
export const CLOSE_REASON_BYTES_MAX = 123;

/**
 * Connections at one time, WebSockets included: room for the page's other requests beside {@link WEB_SOCKETS_MAX}. Each
 * takes one file descriptor and 8 KiB of buffers. When all are taken, the one that has been waited for
 * longest makes room: for a request, or for the rest of a body.
 */
export const CONNECTIONS_MAX = WEB_SOCKETS_MAX + 256;

/** Connections at one time on the address for operators: a few scrapers and people with the status page. */
export const OPERATOR_CONNECTIONS_MAX = 64;

/**
 * How long a connection may go without a request, in milliseconds, be it that a head does not end. Browsers keep a
 * connection for their next request, and open a new one when it is gone.
 */
export const REQUEST_WAIT_MS = 20_000;

/** How long the body of a request may take, in milliseconds. An offer of 20 KiB takes 2 s at 80 kbit/s. */
export const REQUEST_BODY_WAIT_MS = 15_000;

/**
 * What a client may send before something of it is taken, in bytes: a WebSocket message that is too long, but not
 * absurdly so, should still be told why it is refused.
 */
export const CLIENT_WINDOW_BYTES = 4 * MESSAGE_BYTES_MAX;

/**
 * Fragments of one WebSocket message. Each that waits for the last costs over 100 bytes, however short it is, and libraries
 * make them of 4 KiB or more: so many are {@link MESSAGE_BYTES_MAX}.
 */
export const MESSAGE_FRAGMENTS_MAX = 64;

/**
 * Pieces in which the bytes of one frame may come, as the connection delivers them. Each that waits costs over 100 bytes,
 * and the shortest packets that networks are made for bring 500: the longest message is 500 such pieces.
 */
export const FRAME_PIECES_MAX = 1024;

/**
 * What all clients together may send before something of it is taken, in bytes: their windows alone would add up to
 * more than a GiB. Whoever has most of it is refused when it is full. With {@link CONNECTIONS_MAX} that is somebody with
 * more than 50 KiB: an offer of 20 KiB is never the one.
 */
export const BACKLOG_BYTES_MAX = 64 * 1024 * 1024;

/**
 * How long a client may read nothing, or send on beyond {@link CLIENT_WINDOW_BYTES}, in milliseconds. A tunnel that
 * reconnects is away for seconds.
 */
export const CLIENT_STUCK_MS = 30_000;

/**
 * Offers a second for all sessions together that have viewers, and as many for all that have none, in the long run and at
 * once. Each may open a session of the renderer; when a tunnel comes back, everybody offers at once, and who is told to wait
 * comes back by itself.
 */
export const OFFERS: TokenRate = { perSecond: 100, burst: 400 };

/**
 * Offers of one WebSocket a second, in the long run and at once. A page offers once, and again when its network changes
 * or its user begins anew; one that loops is stopped here before it takes the places of others.
 */
export const CONNECTION_OFFERS: TokenRate = { perSecond: 1, burst: 10 };

/** Offers a second for one session: its viewers may all reload at once, and nobody keeps the others out for long. */
export const SESSION_OFFERS: TokenRate = { perSecond: 20, burst: 100 };

/**
 * Path checks that are opened, for all who ask together, as through a tunnel everybody has the same address: a page needs
 * one for all ports. None is refused
 * for want of room: the oldest makes some.
 */
export const PATH_CHECKS: TokenRate = { perSecond: 4, burst: 4 };

/** Longest host name of the DNS, in characters (RFC 1035 §2.3.4, without the root's dot). */
export const HOST_CHARS_MAX = 253;

/** Longest part of it between dots, in characters (RFC 1035 §2.3.4). */
export const HOST_LABEL_CHARS_MAX = 63;
