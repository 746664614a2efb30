import type { MiddlewareHandler } from "hono";

/**
 * What a page of ours may do, and with it whatever else is shown as one: its own scripts and styles, nothing inline, no
 * other site's anything. A page that sits behind another name still opens its WebSocket to the server that it is told,
 * hence `ws:` and `wss:`.
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

/** Says who may embed a resource without asking for its content. A route that sets it itself knows better. */
export const RESOURCE_POLICY = "Cross-Origin-Resource-Policy";

/** What nothing that the server says needs, whoever shows it. */
const EVERYWHERE: Readonly<Record<string, string>> = {
  "X-Content-Type-Options": "nosniff",
  // The page's address may hold a token.
  "Referrer-Policy": "no-referrer",
  "Permissions-Policy": "camera=(), display-capture=(), geolocation=(), microphone=(), usb=()",
};

/**
 * What browsers heed over TLS alone; without it they complain about the first. A month of HSTS is long enough to keep
 * visitors from being led astray and short enough to go back; the ports of one host share it, so it says nothing of
 * subdomains.
 */
const OVER_TLS: Readonly<Record<string, string>> = {
  "Cross-Origin-Opener-Policy": "same-origin",
  "Strict-Transport-Security": "max-age=2592000",
};

/** How {@link protectVisitors} departs from what every server says. */
export interface ProtectionOptions {
  readonly isTls: boolean;
  /** Origins of the pages that may show ours in a frame, besides the server's own; `*` for every page. */
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
    // What every site may read, it may also embed.
    const isPublic = headers.get("Access-Control-Allow-Origin") === "*";
    if (!headers.has(RESOURCE_POLICY)) {
      headers.set(RESOURCE_POLICY, isPublic ? "cross-origin" : "same-origin");
    }
  };
}

/** Origins as the policy takes them; `null`, which file pages have, names no page. */
function ancestorsOf(origins: readonly string[]): string {
  if (origins.includes("*")) return "*";
  const named = origins.map((origin) => URL.parse(origin)?.origin ?? "null")
    .filter((origin) => origin !== "null");
  return ["'self'", ...new Set(named)].join(" ");
}
