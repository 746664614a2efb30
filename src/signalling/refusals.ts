import { ERROR_CODES, type ErrorCode, type ErrorCodeInfo } from "../base/codes.ts";
import { errorText } from "../base/errors.ts";
import { isOfHostItself } from "./origins.ts";
import { ViewerError } from "../session/session_api.ts";

/** The one place where error codes become close codes and HTTP statuses. */
export const ERROR_TABLE: Readonly<Record<ErrorCode, ErrorCodeInfo>> = ERROR_CODES;

/** A refusal as a value. */
export interface Refusal {
  readonly code: ErrorCode;
  /** Text for people. */
  readonly message: string;
  /** How long to wait before another try is worth it, in milliseconds. */
  readonly retryAfterMs?: number;
}

/** Characters of an origin that a refusal repeats. */
const ORIGIN_CHARS_MAX = 200;

/** For pages of an origin that the configuration does not name. */
export function originRefusal(request: Request): Refusal {
  // It comes from a stranger, and goes into the log.
  const origin = JSON.stringify((request.headers.get("Origin") ?? "").slice(0, ORIGIN_CHARS_MAX));
  return {
    code: "origin_not_allowed",
    message: isOfHostItself(request)
      ? `The server does not know that ${origin} is its address; if it is, set server.public_url to it`
      : `Pages of ${origin} may not connect; add the origin to server.allowed_origins to allow them`,
  };
}

/** For browsers that reached the server by a name that it does not know. */
export function hostRefusalText(request: Request): string {
  const host = JSON.stringify((request.headers.get("Host") ?? "").slice(0, ORIGIN_CHARS_MAX));
  return `The server does not know that ${host} is its name, and a page of another site could use it; ` +
    "open this page by the server's IP address, or set server.public_url to the address that browsers use";
}

/** For those who lack the token that a session needs. */
export const TOKEN_REFUSED: Refusal = {
  code: "unauthorized",
  message: "This session needs a valid access token; `pinhole token --session ID` prints one",
};

/** For requests whose `Host` header tells no address. */
export const HOST_REFUSED: Refusal = {
  code: "unknown_host",
  message: "The Host header is neither a host name nor an IP address",
};

/**
 * What a client is told of something that the sessions threw. Only a {@link ViewerError} was written for clients; the
 * text of anything else stays on this side.
 */
export function refusalOf(error: unknown): Refusal {
  if (!(error instanceof ViewerError)) {
    return { code: "internal", message: "The server failed; see its log" };
  }
  const { code, message, retryAfterMs } = error;
  return retryAfterMs === undefined ? { code, message } : { code, message, retryAfterMs };
}

/** What the log says of something that the sessions threw: the cause too, where there is one. */
export function failureText(error: unknown): string {
  const cause = error instanceof Error && error.cause !== undefined ? error.cause : undefined;
  return cause === undefined ? errorText(error) : `${errorText(error)}: ${errorText(cause)}`;
}
