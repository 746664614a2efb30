import { HOST_CHARS_MAX } from "./limits.ts";

/** What decides whether a page may open a WebSocket. */
export interface OriginCheck {
  /** The request's `Origin` header; browsers always send one with a WebSocket, other programs mostly do not. */
  readonly origin: string | undefined;
  /** The request's `Host` header, with its port. */
  readonly host: string;
  /** Origins besides the server's own, such as `https://example.com`; `*` lets every page in. */
  readonly allowed: readonly string[];
}

/**
 * Whether a page of this origin may connect. The server's own page and programs without an `Origin` always may: the
 * check protects visitors of other sites, it is no access control.
 */
export function isOriginAllowed({ origin, host, allowed }: OriginCheck): boolean {
  if (origin === undefined || allowed.includes("*")) return true;
  const given = normalOrigin(origin);
  if (allowed.some((entry) => normalOrigin(entry) === given)) return true;
  return isSameHost(origin, host);
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

/**
 * The host name or IP address of a `Host` header, without port and brackets; `undefined` for text that is neither.
 * It may end in an SDP line, so nothing else gets through.
 */
export function parseReachedHost(header: string): string | undefined {
  const match = /^(?:\[([0-9A-Fa-f:.]+)\]|([A-Za-z0-9._-]+))(?::\d{1,5})?$/.exec(header);
  const host = match?.[1] ?? match?.[2];
  return host === undefined || host.length > HOST_CHARS_MAX ? undefined : host;
}
