import {
  ERROR_CODES,
  type ErrorCode,
  type ErrorCodeInfo,
  type RefusalReason,
} from "../base/codes.ts";
import { errorText } from "../base/errors.ts";
import { isOfHostItself } from "./origins.ts";
import { ViewerError } from "../session/session_api.ts";

/** Maps error codes to close codes and HTTP statuses. */
export const ERROR_TABLE: Readonly<Record<ErrorCode, ErrorCodeInfo>> = ERROR_CODES;

/** A refusal as a value. */
export interface Refusal {
  readonly code: ErrorCode;
  /** Text for people. */
  readonly message: string;
  /** How long to wait before the next try, in milliseconds. */
  readonly retryAfterMs?: number;
  readonly reason?: RefusalReason;
}

/** Maximum characters of an origin in a refusal. */
const ORIGIN_CHARS_MAX = 200;

/** Refusal for pages whose origin is not allowed. */
export function originRefusal(request: Request): Refusal {
  // Untrusted text that goes into the log.
  const origin = JSON.stringify((request.headers.get("Origin") ?? "").slice(0, ORIGIN_CHARS_MAX));
  return {
    code: "origin_not_allowed",
    message: isOfHostItself(request)
      ? `The server does not know that ${origin} is its address; if it is, set server.public_url to it`
      : `Pages of ${origin} may not connect; add the origin to server.allowed_origins to allow them`,
  };
}

/** Text for browsers that reached the server by an unknown name. */
export function hostRefusalText(request: Request): string {
  const host = JSON.stringify((request.headers.get("Host") ?? "").slice(0, ORIGIN_CHARS_MAX));
  return `The server does not know that ${host} is its name, and a page of another site could use it; ` +
    "open this page by the server's IP address, or set server.public_url to the address that browsers use";
}

/** Refusal for clients without a valid token. */
export const TOKEN_REFUSED: Refusal = {
  code: "unauthorized",
  message: "This session needs a valid access token; `pinhole token --session ID` prints one",
};

/** Refusal for requests with an invalid `Host` header. */
export const HOST_REFUSED: Refusal = {
  code: "unknown_host",
  message: "The Host header is neither a host name nor an IP address",
};

/**
 * Converts an error of the sessions to a refusal. Only the text of a {@link ViewerError} is meant for clients; that of
 * other errors is not sent.
 */
export function refusalOf(error: unknown): Refusal {
  if (!(error instanceof ViewerError)) {
    return { code: "internal", message: "The server failed; see its log" };
  }
  const { code, message, retryAfterMs, reason } = error;
  return {
    code,
    message,
    ...(retryAfterMs === undefined ? {} : { retryAfterMs }),
    ...(reason === undefined ? {} : { reason }),
  };
}

/** Text of an error of the sessions for the log, including its cause. */
export function failureText(error: unknown): string {
  const cause = error instanceof Error && error.cause !== undefined ? error.cause : undefined;
  return cause === undefined ? errorText(error) : `${errorText(error)}: ${errorText(cause)}`;
}
