import { allPorts, type MappedPort, type PortMapping, SIGNALLING_NAME } from "./port_mapping.ts";
import { bindPortOf, type Endpoint, type TunnelSettings } from "./settings.ts";

/** A TCP port of this host, and the configuration key that sets it. */
export interface HostListener {
  readonly key: string;
  /** IP address or host name. */
  readonly hostname: string;
  readonly port: number;
}

/** Two programs that use the same port. */
export interface PortConflict {
  /** Configuration key that can be changed. */
  readonly key: string;
  /** Names both, and the alternative fix. */
  readonly rule: string;
}

/**
 * Finds a public port of the mapping on which frps itself listens. Pure.
 * @param publicKeys Keys that set the public ports of signalling and of media.
 */
export function findServerConflict(
  mapping: PortMapping,
  { server, protocol, publicKeys }: Pick<TunnelSettings, "server" | "protocol"> & {
    publicKeys: { readonly signalling: string; readonly media: string };
  },
): PortConflict | undefined {
  // With wss a web server uses the port of `server`, and may forward both the page and frps.
  const tcpPort = bindPortOf({ server, protocol });
  const bound: Partial<Record<MappedPort["protocol"], { key: string; port: number }>> = {
    tcp: { key: "bindPort", port: tcpPort },
    ...(protocol === "kcp" && { udp: { key: "kcpBindPort", port: server.port } }),
    ...(protocol === "quic" && { udp: { key: "quicBindPort", port: server.port } }),
  };
  const taken = allPorts(mapping).find(({ protocol, publicPort }) =>
    publicPort === bound[protocol]?.port
  );
  if (taken === undefined) return undefined;
  const port = `${taken.protocol.toUpperCase()} port ${taken.publicPort}`;
  return {
    key: taken.name === SIGNALLING_NAME ? publicKeys.signalling : publicKeys.media,
    rule: `maps public ${port} for ${taken.name}, but frps itself listens there ` +
      `(${bound[taken.protocol]?.key}); change it${
        protocol === "wss" ? "" : ", or give frps another port with --server ADDRESS:PORT"
      }`,
  };
}

/** Finds a listener of this host that uses the port of frpc's admin API. Pure. */
export function findAdminConflict(
  admin: Endpoint,
  listeners: readonly HostListener[],
): PortConflict | undefined {
  const rival = listeners.find(({ hostname, port }) =>
    port === admin.port && overlap(addressOf(hostname), addressOf(admin.hostname))
  );
  if (rival === undefined) return undefined;
  return {
    key: rival.key,
    rule:
      `uses TCP port ${rival.port}, on which frpc's admin API listens on the same host; change ` +
      "it, or give the API another port with --admin ADDRESS:PORT",
  };
}

/** Whether two listeners on one port number conflict: one has a wildcard address, or both have the same address. */
function overlap(one: string, other: string): boolean {
  return one === other || takesEveryAddress(one) || takesEveryAddress(other);
}

function takesEveryAddress(hostname: string): boolean {
  return hostname === "0.0.0.0" || /^[0:]+$/.test(hostname);
}

function addressOf(hostname: string): string {
  return hostname === "localhost" ? "127.0.0.1" : hostname;
}
