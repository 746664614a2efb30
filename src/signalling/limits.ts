import type { TokenRate } from "../base/token_bucket.ts";

/**
 * Limits of the HTTP side, each with its reason. None depends on the client's address, because through a tunnel all
 * clients have the same one.
 *
 * In Deno 2.9.6, `node:http` does not enforce its timeouts on connections that are passed in, so its streams have the
 * limits that begin with `BACKLOG`, `CONNECTIONS`, `REQUEST` and `CLIENT`.
 */

/** Maximum head of a request, in bytes. A token has at most 4 KiB, and `params` too. */
export const HEAD_BYTES_MAX = 64 * 1024;

/** Maximum message from a client, in bytes of UTF-8. A browser's offer with all its codecs is below 20 KiB. */
export const CLIENT_MESSAGE_BYTES_MAX = 256 * 1024;

/** Maximum `params` of an offer, in bytes of JSON. They are passed through the renderer's C interface as one string. */
export const PARAMS_BYTES_MAX = 4 * 1024;

/** Maximum name of an idle source, in characters. Names are keys of the configuration file. */
export const IDLE_NAME_CHARS_MAX = 128;

/** Maximum candidate line, in characters. Browsers write 100 to 200; the line is validated and ignored. */
export const CANDIDATE_CHARS_MAX = 1024;

/** Maximum media id and username fragment of a candidate, in characters (RFC 8839 §5.4: up to 256). */
export const CANDIDATE_FIELD_CHARS_MAX = 256;

/** Maximum viewer id, in characters; ours are far shorter. */
export const VIEWER_ID_CHARS_MAX = 256;

/** Session ids are path segments and log fields: short, and without characters to escape. */
export const SESSION_ID_PATTERN = /^[A-Za-z0-9_-]{1,64}$/;

/** Messages of one client that may be queued while its offer is being answered. A page sends a handful in that time. */
export const QUEUED_MESSAGES_MAX = 64;

/** Bytes of such messages: no more than one long message per client. */
export const QUEUED_BYTES_MAX = CLIENT_MESSAGE_BYTES_MAX;

/** Messages of the renderer that are kept for a viewer whose answer was not sent yet. */
export const EARLY_MESSAGES_MAX = 64;

/**
 * Unsent bytes at which a client counts as gone: a tunnel that stalls for a second queues a few kilobytes of
 * signalling, so a megabyte means that the client does not read.
 */
export const BUFFERED_BYTES_MAX = 1024 * 1024;

/**
 * Unsent bytes at which messages of the renderer are dropped: a renderer that sends faster than a page reads costs the
 * page messages, but not its connection.
 */
export const RENDERER_BUFFERED_BYTES_MAX = BUFFERED_BYTES_MAX / 2;

/**
 * Maximum WebSockets. A silent one costs about 40 KiB, so a thousand stay below 50 MiB, and a host with five ports
 * serves far fewer viewers. A socket counts until its TCP connection is closed.
 */
export const WEB_SOCKETS_MAX = 1024;

/** Time limit for the first message, in milliseconds: enough for a page that waits for a click. */
export const FIRST_MESSAGE_WAIT_MS = 60_000;

/**
 * Silence after which a WebSocket counts as broken, in seconds. A ping is sent after half of it, which also keeps
 * proxies from closing an idle connection after their usual 30 to 60 s.
 */
export const WEB_SOCKET_IDLE_S = 30;

/**
 * Time between an error and its close frame, and between the last close frame and the end of the connection, in
 * milliseconds. A message that arrives on a closed connection resets it, and a reset can discard data that the client
 * has not read yet. Candidates follow every offer immediately, so the client gets this long to read why the offer was
 * refused.
 */
export const CLOSE_LINGER_MS = 100;

/** Maximum reason of a close frame, in bytes (RFC 6455 §5.5: 125 with the code). */
export const CLOSE_REASON_BYTES_MAX = 123;

/**
 * Maximum connections, including WebSockets: leaves room for the page's other requests beside {@link WEB_SOCKETS_MAX}.
 * Each takes one file descriptor and 8 KiB of buffers. When all are in use, the connection that has been waiting
 * longest, for a request or for the rest of a body, is closed.
 */
export const CONNECTIONS_MAX = WEB_SOCKETS_MAX + 256;

/** Maximum connections to the operators' address: a few scrapers and people with the status page. */
export const OPERATOR_CONNECTIONS_MAX = 64;

/**
 * How long a connection may be without a complete request head, in milliseconds. Browsers keep a connection for the
 * next request, and open a new one when it is closed.
 */
export const REQUEST_WAIT_MS = 20_000;

/** Time limit for the body of a request, in milliseconds. An offer of 20 KiB takes 2 s at 80 kbit/s. */
export const REQUEST_BODY_WAIT_MS = 15_000;

/**
 * Unprocessed bytes that a client may send: enough that a WebSocket message that is moderately too long still gets an
 * error.
 */
export const CLIENT_WINDOW_BYTES = 4 * CLIENT_MESSAGE_BYTES_MAX;

/**
 * Maximum fragments of one WebSocket message. Each buffered one costs over 100 bytes, however short it is. Libraries
 * use fragments of 4 KiB or more, of which this many make {@link CLIENT_MESSAGE_BYTES_MAX}.
 */
export const MESSAGE_FRAGMENTS_MAX = 64;

/**
 * Maximum chunks of one frame, as the connection delivers them. Each buffered one costs over 100 bytes. The smallest
 * usual packets have 500 bytes: the longest message is 500 of them.
 */
export const FRAME_PIECES_MAX = 1024;

/**
 * Unprocessed bytes that all clients together may send, because their windows would add up to more than a GiB. When it
 * is full, the client with most bytes is refused. With {@link CONNECTIONS_MAX} that client has more than 50 KiB, so it
 * is never one with an offer of 20 KiB.
 */
export const BACKLOG_BYTES_MAX = 64 * 1024 * 1024;

/**
 * How long a client may not read, or exceed {@link CLIENT_WINDOW_BYTES}, in milliseconds. A tunnel takes seconds to
 * reconnect.
 */
export const CLIENT_STUCK_MS = 30_000;

/**
 * Limit of offers for all sessions with viewers together, and separately for all sessions without. Each offer may open
 * a session of the renderer. When a tunnel reconnects, all pages send offers at once, and refused ones retry
 * automatically.
 */
export const OFFERS: TokenRate = { perSecond: 100, burst: 400 };

/**
 * Limit of offers per WebSocket. A page sends one offer, and another when its network changes or its user restarts; a
 * page that loops is stopped here before it affects others.
 */
export const CONNECTION_OFFERS: TokenRate = { perSecond: 1, burst: 10 };

/** Limit of offers per session: its viewers may all reload at once, and none can block the others for long. */
export const SESSION_OFFERS: TokenRate = { perSecond: 20, burst: 100 };

/**
 * Limit of new path checks for all clients together, because through a tunnel all have the same address. A page needs
 * one check for all ports. When the table is full, the oldest check is dropped.
 */
export const PATH_CHECKS: TokenRate = { perSecond: 4, burst: 4 };

/** Maximum host name of the DNS, in characters (RFC 1035 §2.3.4, without the root's dot). */
export const HOST_CHARS_MAX = 253;

/** Maximum label of a host name, in characters (RFC 1035 §2.3.4). */
export const HOST_LABEL_CHARS_MAX = 63;
