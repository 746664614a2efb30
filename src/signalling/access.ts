import { type JWTPayload, jwtVerify, SignJWT } from "jose";
import { SESSION_ID_PATTERN } from "./limits.ts";

/** The only accepted signature algorithm (RFC 7518 §3.2); tokens with another, or none, are refused. */
const ALGORITHM = "HS256";

/** Issuer and audience, so that tokens of another service with the same secret are refused. */
const AUDIENCE = "pinhole";

/** Maximum token, in characters; ours have about 200. */
const TOKEN_CHARS_MAX = 4096;

/** The WebSocket subprotocol; a token may be listed beside it. */
export const SUBPROTOCOL = "pinhole";

const TOKEN_SUBPROTOCOL = "bearer.";

/**
 * Purpose of a request: use one session, do something that a token of any session allows, list all sessions, or read
 * the metrics.
 */
export type Purpose = { readonly session: string } | "any_session" | "all_sessions" | "metrics";

/** Restrictions of a token that fits the purpose. */
export interface Access {
  /** It may watch, but not send messages to the renderer. */
  readonly viewerOnly: boolean;
}

/** Checks a request's token; `undefined` if it does not fit the purpose. Never rejects. */
export type AccessCheck = (request: Request, purpose: Purpose) => Promise<Access | undefined>;

/** Claims of a new token. */
export type TokenGrant =
  & {
    /** Seconds until it expires. */
    readonly ttlS: number;
  }
  & ({
    /** A session id, or a prefix with `*` at the end; `*` alone matches all. */
    readonly session: string;
    readonly viewerOnly?: boolean;
  } | {
    /** Allows reading the metrics and nothing else. */
    readonly metrics: true;
  });

/**
 * Creates the check for access tokens (JWT, RFC 7519): signed with the secret, not expired, and for this purpose. A
 * token is sent as `Authorization: Bearer`, beside the WebSocket's subprotocol, or as `?token=`, because browsers
 * cannot send headers with a WebSocket. WebCrypto compares the signature in constant time.
 */
export function createAccessCheck(secret: Uint8Array): AccessCheck {
  return async (request, purpose) => {
    const token = tokenOf(request);
    if (token === undefined || token.length > TOKEN_CHARS_MAX) return undefined;
    try {
      const { payload } = await jwtVerify(token, secret, {
        algorithms: [ALGORITHM],
        audience: AUDIENCE,
        requiredClaims: ["exp"],
      });
      return isMeantFor(payload, purpose)
        // Any other value of the claim removes rights, too.
        ? { viewerOnly: payload.viewer_only !== undefined && payload.viewer_only !== false }
        : undefined;
    } catch {
      // The same result for every fault, so that it does not help guessing.
      return undefined;
    }
  };
}

/** Signs a token. */
export function mintToken(secret: Uint8Array, { ttlS, ...grant }: TokenGrant): Promise<string> {
  const claims = "metrics" in grant
    ? { metrics: true }
    : { session: grant.session, ...(grant.viewerOnly ? { viewer_only: true } : {}) };
  return new SignJWT(claims)
    .setProtectedHeader({ alg: ALGORITHM })
    .setAudience(AUDIENCE)
    .setIssuedAt()
    .setExpirationTime(`${ttlS}s`)
    .sign(secret);
}

/** Names in `Sec-WebSocket-Protocol` (RFC 6455 §4.1). */
export function offeredSubprotocols(request: Request): string[] {
  const header = request.headers.get("Sec-WebSocket-Protocol") ?? "";
  return header.split(",").map((name) => name.trim());
}

function tokenOf(request: Request): string | undefined {
  const bearer = /^Bearer +(\S+)$/i.exec(request.headers.get("Authorization") ?? "")?.[1];
  const beside = offeredSubprotocols(request).find((name) => name.startsWith(TOKEN_SUBPROTOCOL));
  return bearer ?? beside?.slice(TOKEN_SUBPROTOCOL.length) ??
    // Deno builds the URL from the Host header, which may be anything.
    URL.parse(request.url)?.searchParams.get("token") ?? undefined;
}

function isMeantFor({ session, metrics }: JWTPayload, purpose: Purpose): boolean {
  if (purpose === "metrics") return metrics === true;
  if (typeof session !== "string" || !isGrant(session)) return false;
  if (purpose === "any_session") return true;
  return purpose === "all_sessions" ? session === "*" : covers(session, purpose.session);
}

/** Whether it is a valid grant: a session id, or a prefix with `*` at the end. */
function isGrant(session: string): boolean {
  return session === "*" || SESSION_ID_PATTERN.test(session.replace(/\*$/, ""));
}

function covers(granted: string, sessionId: string): boolean {
  return granted.endsWith("*") ? sessionId.startsWith(granted.slice(0, -1)) : granted === sessionId;
}
