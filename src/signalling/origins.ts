import { isIPv6 } from "node:net";
import { HOST_CHARS_MAX, HOST_LABEL_CHARS_MAX } from "./limits.ts";

/**
 * Whether the page that sent a request may connect. The server's own page and programs without an `Origin` always may:
 * the check protects visitors of other sites, it is no access control.
 * @param allowed Origins besides the server's own, such as `https://example.com`; `*` lets every page in.
 */
export function isOriginAllowed(request: Request, allowed: readonly string[]): boolean {
  const origin = request.headers.get("Origin");
  if (origin === null || allowed.includes("*")) return true;
  const given = normalOrigin(origin);
  if (allowed.some((entry) => normalOrigin(entry) === given)) return true;
  return isSameHost(origin, hostOf(request));
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
