/** Definition of one error code of the protocol. */
export interface ErrorCodeInfo {
  /** WebSocket close code (RFC 6455 §7.4). */
  readonly closeCode: number;
  readonly httpStatus: number;
  /** Shown by browsers if the server's message did not arrive. */
  readonly words: string;
  /** Whether a retry would fail again, so that the player gives up. */
  readonly isFatal?: boolean;
  /** Whether this is the default for its close code, if several codes share it. */
  readonly isCloseDefault?: boolean;
}

/**
 * Every error code of the protocol. Types, metrics and the browser's table (`deno task generate`) are derived from this
 * one, and tests compare the documents with it.
 */
export const ERROR_CODES = {
  bad_message: {
    closeCode: 4400,
    httpStatus: 400,
    words: "The server does not understand this page.",
    isFatal: true,
    isCloseDefault: true,
  },
  bad_sdp: {
    closeCode: 4400,
    httpStatus: 400,
    words: "The server does not understand this browser's offer.",
    isFatal: true,
  },
  unsupported_codec: {
    closeCode: 4400,
    httpStatus: 406,
    words: "This browser offers no video codec that the server has.",
    isFatal: true,
  },
  unknown_host: {
    closeCode: 4400,
    httpStatus: 400,
    words: "The address of this page is neither a host name nor an IP address.",
  },
  unauthorized: {
    closeCode: 4401,
    httpStatus: 401,
    words: "This session needs a valid access token.",
    isFatal: true,
    isCloseDefault: true,
  },
  origin_not_allowed: {
    closeCode: 4403,
    httpStatus: 403,
    words: "The server does not allow pages from this address.",
    isFatal: true,
    isCloseDefault: true,
  },
  no_such_viewer: {
    closeCode: 4404,
    httpStatus: 404,
    words: "The server has ended this stream.",
    isCloseDefault: true,
  },
  session_full: {
    closeCode: 4429,
    httpStatus: 503,
    words: "This session is full.",
  },
  no_free_port: {
    closeCode: 4429,
    httpStatus: 503,
    words: "All media ports of the server are taken.",
    isCloseDefault: true,
  },
  too_many_offers: {
    closeCode: 4429,
    httpStatus: 429,
    words: "The server receives too many offers at once.",
  },
  renderer_failed: {
    closeCode: 4500,
    httpStatus: 500,
    words: "The renderer of this session failed.",
  },
  internal: {
    closeCode: 4500,
    httpStatus: 500,
    words: "The server failed.",
    isCloseDefault: true,
  },
  shutting_down: {
    closeCode: 1001,
    httpStatus: 503,
    words: "The server is shutting down.",
    isCloseDefault: true,
  },
} as const satisfies Readonly<Record<string, ErrorCodeInfo>>;

/** One of {@link ERROR_CODES}. */
export type ErrorCode = keyof typeof ERROR_CODES;

/** The names of {@link ERROR_CODES}, in their order. */
export const ERROR_CODE_NAMES = Object.keys(ERROR_CODES) as readonly ErrorCode[];

/** Cause of a refusal, where one code has several. `busy`: `no_free_port` although a place is free. */
export type RefusalReason = "busy";

/** Why a viewer ended: `reason` in the log and of `pinhole_viewers_ended_total`. */
export const END_REASONS = [
  "bye",
  "connect_timeout",
  "idle_timeout",
  "dtls_failed",
  "peer_closed",
  "place_reclaimed",
  "renderer_failed",
  "encoder_failed",
  "session_over",
  "internal_error",
  "shutting_down",
] as const;

/** One of {@link END_REASONS}. */
export type EndReason = typeof END_REASONS[number];
