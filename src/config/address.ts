import { PORT_MAX } from "../base/limits.ts";
import { isIPv4, isIPv6 } from "node:net";
import type { ListenAddress } from "./spec.ts";

const DNS_LABEL = /^[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?$/i;
const DNS_NAME_LENGTH_MAX = 253; // RFC 1035 §2.3.4 in text form

/** Whether the text is an IPv4 address, or an IPv6 address without brackets and zone. */
export function isIpAddress(text: string): boolean {
  return isIPv4(text) || (isIPv6(text) && !text.includes("%"));
}

/** Whether the text is the unspecified address (`0.0.0.0`, `::`), which is valid only for listening. */
export function isUnspecified(ip: string): boolean {
  return ip === "0.0.0.0" || (isIPv6(ip) && /^[0:.]+$/.test(ip));
}

/** Whether the address or name is on loopback, reachable only from this host. */
export function isLoopbackHost(host: string): boolean {
  return (isIPv4(host) && host.startsWith("127.")) || (isIPv6(host) && /^[0:]*1$/.test(host)) ||
    host.toLowerCase() === "localhost";
}

/** Whether the text is an IP address (see {@link isIpAddress}) or a DNS name. */
export function isHost(text: string): boolean {
  return isIpAddress(text) || isDnsName(text);
}

/** Parses `host:port`, with brackets around an IPv6 address; `undefined` if it is something else. */
export function parseSocketAddress(text: string): ListenAddress | undefined {
  const [, ipv6, other, digits] = /^(?:\[(.+)\]|([^:[\]]+)):(\d{1,5})$/.exec(text) ?? [];
  const hostname = ipv6 ?? other ?? "";
  const port = Number(digits);
  const valid = ipv6 === undefined ? isHost(hostname) : isIPv6(hostname) && isIpAddress(hostname);
  return valid && port <= PORT_MAX ? { hostname, port } : undefined;
}

/**
 * Parses an http or https URL that is only an origin (one trailing slash is allowed), and returns it as browsers write
 * it in the Origin header: lower case, without the scheme's default port. `undefined` if it is something else.
 */
export function parseOrigin(text: string): string | undefined {
  // The URL parser would repair or accept these, so the pattern refuses them: spaces, backslashes, credentials, a
  // query.
  if (!/^https?:\/\/[^\s/\\?#@]+\/?$/i.test(text)) return undefined;
  return URL.parse(text)?.origin;
}

function isDnsName(text: string): boolean {
  const labels = text.split(".");
  // A last label of digits is a mistyped IPv4 address; resolvers would read it as one.
  return text.length <= DNS_NAME_LENGTH_MAX && labels.every((label) => DNS_LABEL.test(label)) &&
    !/^\d+$/.test(labels.at(-1) ?? "");
}
