import { allPorts, formatPorts, type Mapping, toRanges } from "./port_mapping.ts";
import {
  bindPortOf,
  type TunnelProtocol,
  type TunnelSettings,
  UDP_PACKET_SIZE,
} from "./settings.ts";
import { fromVariable, quote } from "./toml.ts";

/** What frps's fragment is made of. */
export interface FrpsOptions extends TunnelSettings {
  readonly mapping: Mapping;
  /** Address that browsers are told for media; `undefined` where the configuration does not say. */
  readonly publicIp?: string | undefined;
}

/** Further ports that frps listens on, by protocol; the others arrive at `bindPort`. */
const BIND_KEYS: Partial<Record<TunnelProtocol, string>> = {
  kcp: "kcpBindPort",
  quic: "quicBindPort",
};

/** The lines of frps.toml that a mapping needs, with the reasons of each choice in comments. Pure. */
export function formatFrpsToml(options: FrpsOptions): string {
  const { mapping, server, protocol, tokenVariable } = options;
  const bindKey = BIND_KEYS[protocol];
  const bindPort = bindPortOf({ server, protocol });
  const way = `${bindKey === undefined ? "TCP" : "UDP"} ${server.port}`;
  const open = toRanges(mapping)
    .map((range) =>
      `${range.protocol.toUpperCase()} ${formatPorts(range.publicPort, range.count)}`
    );
  return `# frps's side of the tunnel, made by \`pinhole frpc --frps\`. Start: frps -c FILE (frp 0.66 or later), or put these lines
# into the file that is there. The firewall must let in: ${[way, ...open].join(", ")}.

${protocol === "wss" ? formatWebServer(server.port, bindPort) : ""}bindPort = ${bindPort}
${bindKey === undefined ? "" : `${bindKey} = ${server.port}\n`}
# Of this variable; without it, everybody may open tunnels here.
auth.token = ${fromVariable(tokenVariable)}

${formatBindAddress(options)}
# Must be the same in frpc.
transport.tcpMux = true
udpPacketSize = ${UDP_PACKET_SIZE}

# The public ports that clients may take.
allowPorts = [${formatAllowed(mapping)}]
`;
}

/** frps takes WebSockets at its one port, but no TLS around them; their path is frp's own. */
function formatWebServer(publicPort: number, bindPort: number): string {
  return `# A web server of yours has port ${publicPort}, where it ends TLS. It has to pass WebSockets with the path /~!frp on to this
# port, and nobody else needs it. For nginx, in the server's block:
#   location = /~!frp {
#     proxy_pass http://127.0.0.1:${bindPort};
#     proxy_http_version 1.1;
#     proxy_set_header Upgrade $http_upgrade;
#     proxy_set_header Connection upgrade;
#   }
`;
}

/**
 * Left to whoever knows the machine: on the only address it changes nothing, and where the public address is that of a
 * provider's NAT, frps could not bind it.
 */
function formatBindAddress({ publicIp, server }: FrpsOptions): string {
  const name = publicIp ?? server.hostname;
  const isAddress = /^[\d.]+$/.test(name) || name.includes(":");
  const address = isAddress ? name : `the IP address of ${name}`;
  return `# Where this machine has several addresses, take the "#" away: frps then answers from the one that browsers asked, and
# they drop answers from another one. Not where the address is a provider's, which this machine has not: \`ip addr\`.
# proxyBindAddr = ${quote(address)}
`;
}

function formatAllowed(mapping: Mapping): string {
  const ports = [...new Set(allPorts(mapping).map(({ publicPort }) => publicPort))];
  const runs: { start: number; end: number }[] = [];
  for (const port of ports.sort((a, b) => a - b)) {
    const last = runs.at(-1);
    if (last?.end === port - 1) last.end = port;
    else runs.push({ start: port, end: port });
  }
  return runs.map(({ start, end }) => `{ start = ${start}, end = ${end} }`).join(", ");
}
