import { createHash } from "node:crypto";

/** One file of the page or the browser client. */
export interface Asset {
  /** Media type with charset, such as `text/html; charset=utf-8`. */
  readonly type: string;
  readonly body: string;
}

/**
 * Makes the function that answers requests for `asset`. Browsers keep it, and ask each time whether it is still the
 * same (RFC 9110 §13.1.2), so that a new version of the server is never paired with an old client.
 */
export function assetResponder({ type, body }: Asset): (request: Request) => Response {
  const etag = `"${createHash("sha256").update(body).digest("base64url").slice(0, 22)}"`;
  const headers = {
    "Content-Type": type,
    "Cache-Control": "no-cache",
    "ETag": etag,
    // Other people's pages import the client as a module, which browsers allow across origins only with this.
    "Access-Control-Allow-Origin": "*",
  };
  return (request) =>
    hasEtag(request.headers.get("If-None-Match"), etag)
      ? new Response(null, { status: 304, headers })
      : new Response(body, { headers });
}

/** Weak comparison, as If-None-Match asks for: a proxy that compresses marks our tag as weak. */
function hasEtag(ifNoneMatch: string | null, etag: string): boolean {
  return ifNoneMatch?.split(",").some((tag) => tag.trim().replace(/^W\//, "") === etag) ?? false;
}
