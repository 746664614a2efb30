import { formatHostPort } from "../base/host_port.ts";
import { isLoopback } from "./address.ts";
import type { Config } from "./config.ts";

/** Warns about valid settings that are probably a mistake: one line each, with keys, values and the fix. Pure. */
export function warningsOf({ server, webrtc }: Config): string[] {
  const { hostname, port } = server.listen;
  // With a public address, a program on this host, such as frpc, forwards media to loopback.
  const isReachable = webrtc.publicIp !== undefined || !isLoopback(webrtc.listen) ||
    isLoopback(hostname);
  if (isReachable) return [];
  const page = formatHostPort(hostname, port);
  return [
    `webrtc.listen = "${webrtc.listen}" accepts media from this host only, but server.listen = "${page}" accepts ` +
    'viewers from other hosts; set webrtc.listen to "0.0.0.0", or webrtc.public_ip to the public address of a tunnel ' +
    "on this host",
  ];
}
