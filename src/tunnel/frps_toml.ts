import { allPorts, formatPorts, type PortMapping, toRanges } from "./port_mapping.ts";
import {
  bindPortOf,
  type TunnelProtocol,
  type TunnelSettings,
  UDP_PACKET_SIZE,
} from "./settings.ts";
import { fromVariable, tomlString } from "./toml.ts";

/** Options of {@link formatFrpsToml}. */
export interface FrpsOptions extends TunnelSettings {
  readonly mapping: PortMapping;
  /** Public address of the media ports; `undefined` if it is not configured. */
  readonly publicIp?: string | undefined;
}

/** Keys of additional frps ports, by protocol; the other protocols use `bindPort`. */
const BIND_KEYS: Partial<Record<TunnelProtocol, string>> = {
  kcp: "kcpBindPort",
  quic: "quicBindPort",
};

/** Formats the lines of frps.toml that a mapping needs, with the reason for each setting in comments. Pure. */
export function formatFrpsToml(options: FrpsOptions): string {
  const { mapping, server, protocol, tokenVariable } = options;
  const bindKey = BIND_KEYS[protocol];
  const bindPort = bindPortOf({ server, protocol });
  const bind = `${bindKey === undefined ? "TCP" : "UDP"} ${server.port}`;
  const open = toRanges(mapping)
    .map((range) =>
      `${range.protocol.toUpperCase()} ${formatPorts(range.publicPort, range.count)}`
    );
  return `# The file of frps, made by \`pinhole frpc --frps\`. Start: frps -c FILE (frp 0.66 or later), or add these lines to an
# existing file. The firewall must allow: ${[bind, ...open].join(", ")}.

${protocol === "wss" ? formatWebServer(server.port, bindPort) : ""}bindPort = ${bindPort}
${bindKey === undefined ? "" : `${bindKey} = ${server.port}\n`}
# From this environment variable; if it is not set, anyone may open tunnels here.
auth.token = ${fromVariable(tokenVariable)}

${formatBindAddress(options)}
# Must be the same in frpc.
transport.tcpMux = true
udpPacketSize = ${UDP_PACKET_SIZE}

# The public ports that clients may use.
allowPorts = [${formatAllowed(mapping)}]
`;
}

/** frps accepts WebSockets on its port, at a fixed path, but does not terminate TLS for them. */
function formatWebServer(publicPort: number, bindPort: number): string {
  return `# Your web server listens on port ${publicPort} and terminates TLS. It must forward WebSockets with the path /~!frp to
# bindPort, which needs no other access. For nginx, in the server block:
#   location = /~!frp {
#     proxy_pass http://127.0.0.1:${bindPort};
#     proxy_http_version 1.1;
#     proxy_set_header Upgrade $http_upgrade;
#     proxy_set_header Connection upgrade;
#   }
`;
}

/**
 * Commented out, because it depends on the machine: with one address it changes nothing, and behind a provider's NAT
 * frps cannot bind the public address.
 */
function formatBindAddress({ publicIp, server }: FrpsOptions): string {
  const name = publicIp ?? server.hostname;
  const isAddress = /^[\d.]+$/.test(name) || name.includes(":");
  const address = isAddress ? name : `the IP address of ${name}`;
  return `# If this machine has several addresses, remove the "#": frps then answers from the address that browsers sent to, and
# browsers drop answers from another one. Keep the "#" if \`ip addr\` does not list this address (a provider's NAT).
# proxyBindAddr = ${tomlString(address)}
`;
}

function formatAllowed(mapping: PortMapping): string {
  const ports = [...new Set(allPorts(mapping).map(({ publicPort }) => publicPort))];
  const runs: { start: number; end: number }[] = [];
  for (const port of ports.sort((a, b) => a - b)) {
    const last = runs.at(-1);
    if (last?.end === port - 1) last.end = port;
    else runs.push({ start: port, end: port });
  }
  return runs.map(({ start, end }) => `{ start = ${start}, end = ${end} }`).join(", ");
}
