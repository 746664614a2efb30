import { type JWTPayload, jwtVerify, SignJWT } from "jose";
import { SESSION_ID_PATTERN } from "./limits.ts";

/** The only signature that is taken (RFC 7518 §3.2); a token that names another one, or none, is refused. */
const ALGORITHM = "HS256";

/** Who issues and who takes tokens: one of another service that has the same secret does not fit. */
const AUDIENCE = "pinhole";

/** Longest token that is looked at, in characters; ours have about 200. */
const TOKEN_CHARS_MAX = 4096;

/** The subprotocol of our WebSockets; a token may stand beside it. */
export const SUBPROTOCOL = "pinhole";

const TOKEN_SUBPROTOCOL = "bearer.";

/**
 * What somebody wants to do: something with one session, something that a token of any session allows, list all
 * sessions, or read the metrics.
 */
export type Purpose = { readonly session: string } | "any_session" | "all_sessions" | "metrics";

/** What a token allows beyond the purpose that was asked for. */
export interface Access {
  /** It may watch, and say nothing to the renderer. */
  readonly viewerOnly: boolean;
}

/** Says what a request may do; `undefined` when its token does not fit the purpose. Never rejects. */
export type AccessCheck = (request: Request, purpose: Purpose) => Promise<Access | undefined>;

/** What a token is minted for. */
export type TokenGrant =
  & {
    /** Seconds until it ends. */
    readonly ttlS: number;
  }
  & ({
    /** A session id, or the beginning of some with `*` behind it; `*` alone is all of them. */
    readonly session: string;
    readonly viewerOnly?: boolean;
  } | {
    /** Reads the metrics and opens nothing else. */
    readonly metrics: true;
  });

/**
 * Makes the check for access tokens (JWT, RFC 7519): signed with the secret, not expired, and for this purpose. A token
 * comes as `Authorization: Bearer`, beside the WebSocket's subprotocol, or as `?token=`: browsers cannot send headers
 * with a WebSocket. The signature is compared in constant time, by WebCrypto.
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
        // Whatever a claim of another's making says, it takes rights away.
        ? { viewerOnly: payload.viewer_only !== undefined && payload.viewer_only !== false }
        : undefined;
    } catch {
      // Whatever is wrong with it, the answer is the same: it must not help to guess.
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
    // Deno puts the Host header into the address, and that may be anything.
    URL.parse(request.url)?.searchParams.get("token") ?? undefined;
}

function isMeantFor({ session, metrics }: JWTPayload, purpose: Purpose): boolean {
  if (purpose === "metrics") return metrics === true;
  if (typeof session !== "string" || !isGrant(session)) return false;
  if (purpose === "any_session") return true;
  return purpose === "all_sessions" ? session === "*" : covers(session, purpose.session);
}

/** Whether there can be a session that it is for: an id, or the beginning of one with `*` behind it. */
function isGrant(session: string): boolean {
  return session === "*" || SESSION_ID_PATTERN.test(session.replace(/\*$/, ""));
}

function covers(granted: string, sessionId: string): boolean {
  return granted.endsWith("*") ? sessionId.startsWith(granted.slice(0, -1)) : granted === sessionId;
}
