// @ts-check
/** The server's error codes. Made from src/base/codes.ts by `deno task generate`. @module */

/** Codes that the next try would meet again. */
export const FATAL_CODES = [
  "bad_message",
  "bad_sdp",
  "unsupported_codec",
  "unauthorized",
  "origin_not_allowed",
];

/**
 * What a close code means when no error message came before it.
 * @type {Readonly<Record<number, string>>}
 */
export const CODE_OF_CLOSE = {
  1001: "shutting_down",
  4400: "bad_message",
  4401: "unauthorized",
  4403: "origin_not_allowed",
  4404: "no_such_viewer",
  4429: "no_free_port",
  4500: "internal",
};

/** For refusals whose reason did not arrive. @type {Readonly<Record<string, string>>} */
export const SERVER_WORDS = {
  bad_message: "The server does not understand this page.",
  bad_sdp: "The server does not understand this browser's offer.",
  unsupported_codec: "This browser offers no video codec that the server has.",
  unknown_host: "The address of this page is neither a host name nor an IP address.",
  unauthorized: "This session needs a valid access token.",
  origin_not_allowed: "The server does not allow pages from this address.",
  no_such_viewer: "The server has ended this stream.",
  session_full: "This session is full.",
  no_free_port: "All media ports of the server are taken.",
  too_many_offers: "The server receives too many offers at once.",
  renderer_failed: "The renderer of this session failed.",
  internal: "The server failed.",
  shutting_down: "The server is shutting down.",
};
