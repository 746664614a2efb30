import { isIP, isIPv6 } from "node:net";
import type { Live } from "../base/live.ts";
import { HOST_CHARS_MAX, HOST_LABEL_CHARS_MAX } from "./limits.ts";

/** Which pages may connect, and by which names the server is known. */
export interface Site {
  /** Origins besides the server's own, such as `https://example.com`; `*` lets every page in. */
  readonly allowedOrigins: readonly string[];
  /** `server.public_url`. */
  readonly publicUrl?: string | undefined;
  /** `webrtc.public_ip`: an IP literal or a DNS name. */
  readonly publicHost?: string | undefined;
}

/** How a part of the HTTP side learns of the site. */
export interface SiteOptions {
  readonly site: Live<Site>;
}

/**
 * Whether the page that sent a request may connect. The server's own page and programs without an `Origin` always may:
 * the check protects visitors of other sites, it is no access control.
 *
 * A page is the server's own when it comes from `server.public_url`, whatever a proxy makes of the `Host` header, or from
 * the host that the request names; but only if the server is known by that. Anybody can have a DNS name of theirs
 * resolve to this server (DNS rebinding), and their page would have the same host then.
 */
export function isOriginAllowed(request: Request, site: Site): boolean {
  const origin = request.headers.get("Origin");
  if (origin === null || site.allowedOrigins.includes("*")) return true;
  const given = normalOrigin(origin);
  const named = [...site.allowedOrigins, ...(site.publicUrl === undefined ? [] : [site.publicUrl])];
  if (named.some((entry) => normalOrigin(entry) === given)) return true;
  return isSameHost(origin, hostOf(request)) && isKnownHost(request, site);
}

/** Whether the page that sent a request was loaded by the very host that the request names. */
export function isOfHostItself(request: Request): boolean {
  return isSameHost(request.headers.get("Origin") ?? "", hostOf(request));
}

/** Headers that browsers send, of which a page can leave out none but change some. */
const BROWSER_HEADERS = [
  "Origin",
  "Referer",
  "Accept-Language",
  "Sec-Fetch-Site",
  "Sec-Fetch-Mode",
];

/**
 * Whether a request may be that of a page under a name that only seems to be this server's. Programs go by whatever name
 * they like: Prometheus scrapes `pinhole:9000` in a cluster, and sends nothing that browsers always do.
 */
export function mayBeRebound(request: Request, site: Site): boolean {
  const isBrowser = BROWSER_HEADERS.some((name) => request.headers.has(name)) ||
    request.headers.get("User-Agent")?.startsWith("Mozilla/");
  return isBrowser === true && !site.allowedOrigins.includes("*") && !isKnownHost(request, site);
}

/** By IP literals, as `localhost`, and by the names that the configuration holds. */
function isKnownHost(
  request: Request,
  { allowedOrigins, publicUrl, publicHost }: Site,
): boolean {
  const reached = reachedHostOf(request)?.toLowerCase().replace(/\.$/, "");
  if (reached === undefined) return false;
  if (isIP(reached) !== 0 || reached === "localhost" || reached.endsWith(".localhost")) return true;
  if (reached === publicHost?.toLowerCase()) return true;
  return [publicUrl, ...allowedOrigins].some((url) =>
    url !== undefined && URL.parse(url)?.hostname === reached
  );
}

/**
 * The host name or IP address by which a request reached the server; `undefined` when its `Host` header is neither. It
 * may end in an SDP line, so nothing else gets through.
 */
export function reachedHostOf(request: Request): string | undefined {
  const match = /^(?:\[([0-9A-Fa-f:.]+)\]|([A-Za-z0-9._-]+))(?::\d{1,5})?$/.exec(hostOf(request));
  const [, address, name] = match ?? [];
  if (address !== undefined) return isIPv6(address) ? address : undefined;
  return name !== undefined && isName(name) ? name : undefined;
}

/** With its port. Not from the request's address: where there is no header, Deno puts something of its own there. */
function hostOf({ headers }: Request): string {
  return headers.get("Host") ?? "";
}

/** Also of IPv4 addresses. The root's dot may end it (RFC 1034 §3.1). */
function isName(text: string): boolean {
  const name = text.replace(/\.$/, "");
  return name.length <= HOST_CHARS_MAX &&
    name.split(".").every(({ length }) => length > 0 && length <= HOST_LABEL_CHARS_MAX);
}

/** Lower case and without a default port or a final slash; text that is no URL (`null` of file pages) stays as it is. */
function normalOrigin(origin: string): string {
  const url = URL.parse(origin);
  return url === null || url.origin === "null" ? origin : url.origin;
}

/**
 * Compares host and port, not the scheme: a proxy in front may have taken TLS off, so the server cannot know which
 * scheme the page saw.
 */
function isSameHost(origin: string, host: string): boolean {
  const page = URL.parse(origin);
  if (page === null || page.host === "") return false;
  return URL.parse(`${page.protocol}//${host}`)?.host === page.host;
}
