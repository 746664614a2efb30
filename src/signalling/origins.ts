import { isIP, isIPv6 } from "node:net";
import type { Live } from "../base/live.ts";
import { HOST_CHARS_MAX, HOST_LABEL_CHARS_MAX } from "./limits.ts";

/** Pages that may connect, and the known names of the server. */
export interface Site {
  /** Origins besides the server's own, such as `https://example.com`; `*` allows every page. */
  readonly allowedOrigins: readonly string[];
  /** `server.public_url`. */
  readonly publicUrl?: string | undefined;
  /** `webrtc.public_ip`: an IP literal or a DNS name. */
  readonly publicHost?: string | undefined;
}

export interface SiteOptions {
  readonly site: Live<Site>;
}

/**
 * Whether the page that sent a request may connect. The server's own page and programs without an `Origin` always may:
 * the check protects visitors of other sites; it is not access control.
 *
 * A page is the server's own if its origin is `server.public_url` (regardless of the `Host` header, which a proxy may
 * change), or the host in the request if that is a known name of the server. Other names are not accepted, because
 * anyone can make a DNS name resolve to this server (DNS rebinding), and a page of that name would have the same host.
 */
export function isOriginAllowed(request: Request, site: Site): boolean {
  const origin = request.headers.get("Origin");
  if (origin === null || site.allowedOrigins.includes("*")) return true;
  const given = normalOrigin(origin);
  const named = [...site.allowedOrigins, ...(site.publicUrl === undefined ? [] : [site.publicUrl])];
  if (named.some((entry) => normalOrigin(entry) === given)) return true;
  return isSameHost(origin, hostOf(request)) && isKnownHost(request, site);
}

/** Whether the page that sent a request was loaded from the host in the request. */
export function isOfHostItself(request: Request): boolean {
  return isSameHost(request.headers.get("Origin") ?? "", hostOf(request));
}

/** Headers that browsers always send; a page can change some, but not omit them. */
const BROWSER_HEADERS = [
  "Origin",
  "Referer",
  "Accept-Language",
  "Sec-Fetch-Site",
  "Sec-Fetch-Mode",
];

/**
 * Whether a request may come from a page that uses DNS rebinding. Programs may use any host name: Prometheus scrapes
 * `pinhole:9000` in a cluster, and sends none of the headers that browsers always send.
 */
export function mayBeRebound(request: Request, site: Site): boolean {
  const isBrowser = BROWSER_HEADERS.some((name) => request.headers.has(name)) ||
    request.headers.get("User-Agent")?.startsWith("Mozilla/");
  return isBrowser === true && !site.allowedOrigins.includes("*") && !isKnownHost(request, site);
}

/** Known are IP literals, `localhost`, and the names in the configuration. */
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
 * The host name or IP address by which a request reached the server; `undefined` if its `Host` header is neither. It
 * may end up in an SDP line, so it is validated.
 */
export function reachedHostOf(request: Request): string | undefined {
  const match = /^(?:\[([0-9A-Fa-f:.]+)\]|([A-Za-z0-9._-]+))(?::\d{1,5})?$/.exec(hostOf(request));
  const [, address, name] = match ?? [];
  if (address !== undefined) return isIPv6(address) ? address : undefined;
  return name !== undefined && isName(name) ? name : undefined;
}

/** The `Host` header with its port. Not from the URL, where Deno puts a placeholder if there is no header. */
function hostOf({ headers }: Request): string {
  return headers.get("Host") ?? "";
}

/** Also true for IPv4 addresses. A trailing dot for the root is allowed (RFC 1034 §3.1). */
function isName(text: string): boolean {
  const name = text.replace(/\.$/, "");
  return name.length <= HOST_CHARS_MAX &&
    name.split(".").every(({ length }) => length > 0 && length <= HOST_LABEL_CHARS_MAX);
}

/** Lower case, without default port and final slash; text that is not a URL (`null` of file pages) is unchanged. */
function normalOrigin(origin: string): string {
  const url = URL.parse(origin);
  return url === null || url.origin === "null" ? origin : url.origin;
}

/** Compares host and port, not the scheme: a proxy may terminate TLS, so the server cannot know the page's scheme. */
function isSameHost(origin: string, host: string): boolean {
  const page = URL.parse(origin);
  if (page === null || page.host === "") return false;
  return URL.parse(`${page.protocol}//${host}`)?.host === page.host;
}
