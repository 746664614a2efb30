/**
 * Formats a host and a port as in a URL, with an IPv6 address in brackets (RFC 3986 §3.2.2).
 * @param host A name or an IP literal without brackets.
 *
 * @example
 * ```ts
 * formatHostPort("203.0.113.7", 9000); // 203.0.113.7:9000
 * formatHostPort("2001:db8::7", 9000); // [2001:db8::7]:9000
 * ```
 */
export function formatHostPort(host: string, port: number | string): string {
  return `${host.includes(":") ? `[${host}]` : host}:${port}`;
}
