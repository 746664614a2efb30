import type { MiddlewareHandler } from "hono";

/**
 * Content security policy of the server's pages: only own scripts and styles, nothing inline, nothing from other
 * sites. A page under another name still connects its WebSocket to the configured server, hence `ws:` and `wss:`.
 */
const POLICY = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "img-src 'self' data:",
  "media-src 'self' blob:",
  "connect-src 'self' ws: wss:",
  "base-uri 'none'",
  "form-action 'self'",
].join("; ");

/** Controls which sites may embed a resource. A route may set it itself. */
export const RESOURCE_POLICY = "Cross-Origin-Resource-Policy";

/** Headers for every response. */
const EVERYWHERE: Readonly<Record<string, string>> = {
  "X-Content-Type-Options": "nosniff",
  // The page's URL may contain a token.
  "Referrer-Policy": "no-referrer",
  "Permissions-Policy": "camera=(), display-capture=(), geolocation=(), microphone=(), usb=()",
};

/**
 * Headers that browsers only apply over TLS; without TLS they warn about the first. A month of HSTS is long enough to
 * protect visitors and short enough to go back to http. It applies to all ports of the host, so it does not include
 * subdomains.
 */
const OVER_TLS: Readonly<Record<string, string>> = {
  "Cross-Origin-Opener-Policy": "same-origin",
  "Strict-Transport-Security": "max-age=2592000",
};

/** Options of {@link protectVisitors}. */
export interface ProtectionOptions {
  readonly isTls: boolean;
  /** Origins of the pages that may show the server's pages in a frame, besides its own; `*` for every page. */
  readonly framers: () => readonly string[];
}

/** Adds the headers that protect visitors to every response. */
export function protectVisitors({ isTls, framers }: ProtectionOptions): MiddlewareHandler {
  const always = { ...EVERYWHERE, ...(isTls ? OVER_TLS : {}) };
  return async (c, next) => {
    await next();
    const { headers } = c.res;
    headers.set("Content-Security-Policy", `${POLICY}; frame-ancestors ${ancestorsOf(framers())}`);
    for (const [name, value] of Object.entries(always)) headers.set(name, value);
    // A resource that every site may read may also be embedded.
    const isPublic = headers.get("Access-Control-Allow-Origin") === "*";
    if (!headers.has(RESOURCE_POLICY)) {
      headers.set(RESOURCE_POLICY, isPublic ? "cross-origin" : "same-origin");
    }
  };
}

/** Origins in the syntax of the policy; `null`, the origin of file pages, is omitted. */
function ancestorsOf(origins: readonly string[]): string {
  if (origins.includes("*")) return "*";
  const named = origins.map((origin) => URL.parse(origin)?.origin ?? "null")
    .filter((origin) => origin !== "null");
  return ["'self'", ...new Set(named)].join(" ");
}
