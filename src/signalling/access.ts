import { jwtVerify, SignJWT } from "jose";

/** The only signature that is taken (RFC 7518 §3.2); a token that names another one, or none, is refused. */
const ALGORITHM = "HS256";

/** Who issues and who takes tokens: one of another service that has the same secret does not fit. */
const AUDIENCE = "pinhole";

/** Longest token that is looked at, in characters; ours have about 200. */
const TOKEN_CHARS_MAX = 4096;

/** Says whether a request may do something with a session; `undefined` for what any valid token allows. */
export type AccessCheck = (request: Request, sessionId: string | undefined) => Promise<boolean>;

/** What a token is minted for. */
export interface TokenGrant {
  /** A session id, or the beginning of some with `*` behind it; `*` alone is all of them. */
  readonly session: string;
  /** Seconds until it ends. */
  readonly ttlS: number;
}

/**
 * Makes the check for access tokens (JWT, RFC 7519): signed with the secret, not expired, and for this session. A token
 * comes as `Authorization: Bearer`, or as `?token=` from browsers, which cannot send headers with a WebSocket.
 */
export function createAccessCheck(secret: Uint8Array): AccessCheck {
  return async (request, sessionId) => {
    const token = tokenOf(request);
    if (token === undefined || token.length > TOKEN_CHARS_MAX) return false;
    try {
      const { payload } = await jwtVerify(token, secret, {
        algorithms: [ALGORITHM],
        audience: AUDIENCE,
        requiredClaims: ["exp", "session"],
      });
      return typeof payload.session === "string" && covers(payload.session, sessionId);
    } catch {
      // Whatever is wrong with it, the answer is the same: it must not help to guess.
      return false;
    }
  };
}

/** Signs a token. */
export function mintToken(secret: Uint8Array, { session, ttlS }: TokenGrant): Promise<string> {
  return new SignJWT({ session })
    .setProtectedHeader({ alg: ALGORITHM })
    .setAudience(AUDIENCE)
    .setIssuedAt()
    .setExpirationTime(`${ttlS}s`)
    .sign(secret);
}

function tokenOf(request: Request): string | undefined {
  const bearer = /^Bearer +(\S+)$/i.exec(request.headers.get("Authorization") ?? "")?.[1];
  // Deno puts the Host header into the address, and that may be anything.
  return bearer ?? URL.parse(request.url)?.searchParams.get("token") ?? undefined;
}

function covers(granted: string, sessionId: string | undefined): boolean {
  if (sessionId === undefined) return true;
  return granted.endsWith("*") ? sessionId.startsWith(granted.slice(0, -1)) : granted === sessionId;
}
