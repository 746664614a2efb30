import { formatHostPort } from "../base/host_port.ts";
import { isLoopback } from "./address.ts";
import type { Config } from "./config.ts";

/** What a valid configuration says that is hardly meant: one line each, with the keys, their values and the fix. Pure. */
export function warningsOf({ server, webrtc }: Config): string[] {
  const { hostname, port } = server.listen;
  // With a public address something on this host, such as frpc, has to pass media on, as intended.
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
