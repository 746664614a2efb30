/** Transport protocols from frpc to frps. */
export const TUNNEL_PROTOCOLS = ["tcp", "kcp", "quic", "websocket", "wss"] as const;

/** A transport protocol from frpc to frps. */
export type TunnelProtocol = typeof TUNNEL_PROTOCOLS[number];

/** A host and a TCP or UDP port. */
export interface Endpoint {
  /** IP address without brackets, or DNS name. */
  readonly hostname: string;
  readonly port: number;
}

/** Default port of frps. */
export const FRPS_PORT = 7000;

/** Default port that frpc connects to; with wss that of a web server, which terminates TLS. */
export function defaultServerPort(protocol: TunnelProtocol): number {
  return protocol === "wss" ? 443 : FRPS_PORT;
}

/** The TCP port of frps itself: the one that frpc connects to, except with wss, where a web server uses that port. */
export function bindPortOf(
  { server, protocol }: Pick<TunnelSettings, "server" | "protocol">,
): number {
  if (protocol !== "wss") return server.port;
  return server.port === FRPS_PORT ? FRPS_PORT + 1 : FRPS_PORT;
}

/** Settings that must be the same on both ends of an frp tunnel, besides the ports. */
export interface TunnelSettings {
  /** Address of frps, or of the web server in front of it. */
  readonly server: Endpoint;
  readonly protocol: TunnelProtocol;
  /** Environment variable with the token on both ends; a name of letters, digits and `_`. */
  readonly tokenVariable: string;
}

/**
 * Largest datagram that frp forwards, in bytes; it truncates larger ones silently. This is frp's default, and more than
 * Pinhole and browsers send.
 */
export const UDP_PACKET_SIZE = 1500;
