import { formatPortList } from "../base/public_ports.ts";
import { isLoopbackHost } from "../config/address.ts";
import type { Config } from "../config/config.ts";
import { ConfigError, loadConfig } from "../config/load.ts";
import type { Problem } from "../config/problem.ts";
import { readEnvironment } from "../config/variables.ts";
import { findAdminConflict, findServerConflict, type HostListener } from "../tunnel/conflicts.ts";
import { formatFrpcToml } from "../tunnel/frpc_toml.ts";
import { formatFrpsToml } from "../tunnel/frps_toml.ts";
import {
  type MappingOptions,
  mapPorts,
  signallingPublicPort,
  type TunnelPart,
} from "../tunnel/port_mapping.ts";
import { formatPlainLines } from "../tunnel/plain_lines.ts";
import { defaultServerPort, type Endpoint, type TunnelProtocol } from "../tunnel/settings.ts";
import { printOut } from "./print.ts";

/** Ports of frpc's admin API: one client for everything, and a second one for media only. */
export const ADMIN_PORTS = { all: 7400, signalling: 7400, media: 7401 } as const satisfies Record<
  TunnelPart,
  number
>;

/** Options of the output of `pinhole frpc`. */
export interface TunnelOptions {
  /** frpc's file, the lines for frps, or the mapping without frp. */
  readonly output: "frpc" | "frps" | "plain";
  readonly part: TunnelPart;
  /** Default: the host of the configured public address, and the port of the protocol. */
  readonly server: { readonly hostname: string; readonly port: number | undefined } | undefined;
  readonly protocol: TunnelProtocol;
  /** Name of the environment variable with frp's token. */
  readonly tokenVariable: string;
  /** Listening address of frpc's admin API. Default: {@link ADMIN_PORTS} of 127.0.0.1. */
  readonly admin: Endpoint | undefined;
}

/** Default options of `pinhole frpc`. */
export const TUNNEL_DEFAULTS = {
  output: "frpc",
  part: "all",
  server: undefined,
  protocol: "tcp",
  tokenVariable: "FRP_TOKEN",
  admin: undefined,
} as const satisfies TunnelOptions;

/** Options of `pinhole frpc`. */
export interface FrpcCommandOptions extends TunnelOptions {
  readonly config: string | undefined;
}

/**
 * `pinhole frpc`: prints the tunnel files that match the configuration.
 * @throws {ConfigError} If the configuration has no mapping or no address of frps, or two programs would use one port.
 */
export async function frpc({ config: path, ...options }: FrpcCommandOptions): Promise<void> {
  const { config, file } = await loadConfig({ path, env: readEnvironment() });
  printOut(formatTunnel(config, { ...options, source: file ?? "defaults" }));
}

/**
 * Formats the output of `pinhole frpc`. Pure.
 * @param options.source Source that problems name, such as `config.toml`.
 * @throws {ConfigError} If the configuration has no mapping or no address of frps, or two programs would use one port.
 */
export function formatTunnel(
  { server, webrtc, reach }: Config,
  { source, output, part, ...asked }: TunnelOptions & { source: string },
): string {
  const { ports } = reach;
  const media = { ...webrtc, ports };
  const mapped = { signalling: server.listen, publicUrl: server.publicUrl, media, part };
  const problem = part === "media" ? undefined : findProblem(mapped, source);
  if (problem !== undefined) throw new ConfigError([problem]);
  const mapping = mapPorts(mapped);
  if (output === "plain") {
    const listens = [
      ...(part === "media" ? [] : [["server.listen", server.listen.hostname] as const]),
      ...(part === "signalling" ? [] : [["webrtc.listen", webrtc.listen] as const]),
    ];
    const onLoopback = listens.filter(([, hostname]) => isLoopbackHost(hostname));
    return formatPlainLines({ mapping, loopbackKeys: onLoopback.map(([key]) => key) });
  }
  const { protocol } = asked;
  const { hostname, port = defaultServerPort(protocol) } = asked.server ??
    { hostname: configuredHost({ server, webrtc }, source) };
  const settings = {
    mapping,
    server: { hostname, port },
    protocol,
    tokenVariable: asked.tokenVariable,
  };
  const publicKeys = {
    signalling: server.publicUrl === undefined ? "webrtc.public_port_min" : "server.public_url",
    media: webrtc.publicPorts.length > 0 ? "webrtc.public_ports" : "webrtc.public_port_min",
  };
  const taken = findServerConflict(mapping, { ...settings, publicKeys });
  if (taken !== undefined) throw new ConfigError([{ source, ...taken }]);
  if (output === "frps") return formatFrpsToml({ ...settings, publicIp: webrtc.publicIp });
  const admin = asked.admin ?? { hostname: "127.0.0.1", port: ADMIN_PORTS[part] };
  const rival = findAdminConflict(admin, listenersOf({ server, webrtc, reach }));
  if (rival !== undefined) throw new ConfigError([{ source, ...rival }]);
  return formatFrpcToml({ ...settings, admin });
}

/** All TCP ports of this server, mapped or not. */
function listenersOf(
  { server, webrtc, reach }: Pick<Config, "server" | "webrtc" | "reach">,
): HostListener[] {
  const { listen, adminListen } = server;
  return [
    { key: "server.listen", ...listen },
    ...(adminListen ? [{ key: "server.admin_listen", ...adminListen }] : []),
    ...reach.ports.filter(({ tcp }) => tcp !== undefined).map(({ port }) => ({
      key: "webrtc.port_min",
      hostname: webrtc.listen,
      port,
    })),
  ];
}

function findProblem(
  { signalling, publicUrl, media }: {
    signalling: Config["server"]["listen"];
    publicUrl: string | undefined;
    media: MappingOptions["media"];
  },
  source: string,
): Problem | undefined {
  if (signalling.port === 0) {
    return { source, key: "server.listen", rule: "must have a fixed port for a tunnel, not 0" };
  }
  const port = signallingPublicPort({ publicUrl, publicPortMin: media.publicPortMin });
  if (port === 0) {
    const rule = "must be set: the first public media port is 1, and there is no port below it";
    return { source, key: "server.public_url", rule };
  }
  const places = media.ports.flatMap(({ udp, tcp }) => [
    ...(udp === undefined ? [] : [`UDP ${udp.port}`]),
    ...(tcp === undefined ? [] : [`TCP ${tcp.port}`]),
  ]);
  const twice = places.find((place, at) => places.indexOf(place) !== at);
  if (twice !== undefined) {
    const rule = `has public port ${twice} twice, at different hosts: one frps cannot map both`;
    return { source, key: "webrtc.public_ports", rule };
  }
  const taken = media.ports.flatMap(({ tcp }) => tcp === undefined ? [] : [tcp.port]);
  if (taken.includes(port)) {
    const rule = `its port ${port} must be outside ${formatPortList(taken)}, ` +
      `which webrtc.tcp maps for TCP too`;
    return { source, key: "server.public_url", rule };
  }
  return undefined;
}

function configuredHost(
  { server: { publicUrl }, webrtc: { publicIp } }: Pick<Config, "server" | "webrtc">,
  source: string,
): string {
  const hostname = publicUrl === undefined ? publicIp : hostOf(publicUrl);
  if (hostname !== undefined) return hostname;
  const rule =
    "has no address of frps; give --server ADDRESS, or set server.public_url or webrtc.public_ip";
  throw new ConfigError([{ source, rule }]);
}

function hostOf(url: string): string {
  return new URL(url).hostname.replace(/^\[(.*)\]$/, "$1");
}
