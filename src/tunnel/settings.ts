/** Ways from frpc to frps. */
export const TUNNEL_PROTOCOLS = ["tcp", "kcp", "quic", "websocket", "wss"] as const;

/** A way from frpc to frps. */
export type TunnelProtocol = typeof TUNNEL_PROTOCOLS[number];

/** A host and a TCP or UDP port. */
export interface Endpoint {
  /** IP address without brackets, or DNS name. */
  readonly hostname: string;
  readonly port: number;
}

/** Where frps listens when nothing else is said. */
export const FRPS_PORT = 7000;

/** Where frpc arrives when no port is named: by wss at a web server, which ends TLS. */
export function defaultServerPort(protocol: TunnelProtocol): number {
  return protocol === "wss" ? 443 : FRPS_PORT;
}

/** The TCP port of frps itself: where frpc arrives, except by wss, where that port is a web server's. */
export function bindPortOf(
  { server, protocol }: Pick<TunnelSettings, "server" | "protocol">,
): number {
  if (protocol !== "wss") return server.port;
  return server.port === FRPS_PORT ? FRPS_PORT + 1 : FRPS_PORT;
}

/** What both ends of an frp tunnel have to agree about, besides the ports. */
export interface TunnelSettings {
  /** Where frpc finds frps, or the web server before it. */
  readonly server: Endpoint;
  readonly protocol: TunnelProtocol;
  /** Variable that holds the token on both ends; a name of letters, digits and `_`. */
  readonly tokenVariable: string;
}

/**
 * Longest datagram that frp passes on whole, in bytes; it cuts longer ones without a word. Its default, and above all
 * that Pinhole and browsers send.
 */
export const UDP_PACKET_SIZE = 1500;
