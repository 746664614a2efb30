import { formatPorts, type MappedRange, type PortMapping, toRanges } from "./port_mapping.ts";

/** Options of {@link formatPlainLines}. */
export interface PlainOptions {
  readonly mapping: PortMapping;
  /** Configuration keys that listen on loopback, which only a tunnel on this host can reach. */
  readonly loopbackKeys: readonly string[];
}

/** Formats the mapping for use without frp: a table, and DNAT commands for a router or WireGuard. Pure. */
export function formatPlainLines({ mapping, loopbackKeys }: PlainOptions): string {
  const ranges = toRanges(mapping);
  const blocks = [
    ...(loopbackKeys.length > 0 ? [formatLoopback(loopbackKeys)] : []),
    `# Router: forward these ports. HOST is the address of the GPU host in its own network.\n${
      ranges.map(formatRow).join("\n")
    }`,
    FORWARDING_REMARKS,
    `# with nftables:\n${formatNft(ranges).join("\n")}`,
    `# or with iptables:\n${formatIptables(ranges).join("\n")}`,
    WIREGUARD_REMARKS,
  ];
  return `${blocks.join("\n\n")}\n`;
}

function formatLoopback(keys: readonly string[]): string {
  return `# First: ${
    keys.join(" and ")
  } must not be on loopback; set "0.0.0.0" to accept packets from other hosts.`;
}

const FORWARDING_REMARKS =
  `# Linux machine with the public address: run this as root, with HOST as seen from this machine. Masquerading makes
# replies return through this machine; Pinhole does not need the viewers' own addresses.
sysctl -w net.ipv4.ip_forward=1
HOST=10.66.0.2`;

const WIREGUARD_REMARKS =
  `# HOST behind NAT: connect it to the public machine with WireGuard. On HOST, /etc/wireguard/wg0.conf:
#   [Interface]
#   Address = 10.66.0.2/24
#   PrivateKey = (of HOST: wg genkey)
#   [Peer]
#   PublicKey = (of the public machine)
#   Endpoint = (public address):51820
#   AllowedIPs = 10.66.0.1/32
#   PersistentKeepalive = 25
# On the public machine:
#   [Interface]
#   Address = 10.66.0.1/24
#   ListenPort = 51820
#   PrivateKey = (of the public machine)
#   [Peer]
#   PublicKey = (of HOST)
#   AllowedIPs = 10.66.0.2/32`;

function formatRow({ protocol, localPort, publicPort, count }: MappedRange): string {
  const from = formatPorts(publicPort, count).padEnd(11);
  return `#   ${protocol.toUpperCase()} ${from} -> HOST ${formatPorts(localPort, count)}`;
}

function formatNft(ranges: readonly MappedRange[]): string[] {
  const table = "ip pinhole";
  return [
    `nft add table ${table}`,
    `nft add chain ${table} prerouting '{ type nat hook prerouting priority dstnat; }'`,
    `nft add chain ${table} postrouting '{ type nat hook postrouting priority srcnat; }'`,
    ...ranges.flatMap(toRules).map(({ protocol, publicPorts, localPort }) =>
      `nft add rule ${table} prerouting fib daddr type local ${protocol} dport ${publicPorts} ` +
      `dnat to $HOST${localPort}`
    ),
    ...ranges.map(({ protocol, localPort, count }) =>
      `nft add rule ${table} postrouting ip daddr $HOST ${protocol} ` +
      `dport ${formatPorts(localPort, count)} masquerade`
    ),
  ];
}

function formatIptables(ranges: readonly MappedRange[]): string[] {
  return [
    ...ranges.flatMap(toRules).map(({ protocol, publicPorts, localPort }) =>
      `iptables -t nat -A PREROUTING -m addrtype --dst-type LOCAL -p ${protocol} ` +
      `--dport ${publicPorts.replace("-", ":")} -j DNAT --to-destination $HOST${localPort}`
    ),
    ...ranges.map(({ protocol, localPort, count }) =>
      `iptables -t nat -A POSTROUTING -d $HOST -p ${protocol} ` +
      `--dport ${formatPorts(localPort, count).replace("-", ":")} -j MASQUERADE`
    ),
  ];
}

interface Rule {
  readonly protocol: string;
  readonly publicPorts: string;
  /** `:PORT`; empty if the number does not change. */
  readonly localPort: string;
}

/** One rule for ports that keep their number; otherwise one for each, since DNAT picks any port of a target range. */
function toRules({ protocol, localPort, publicPort, count }: MappedRange): Rule[] {
  if (localPort === publicPort) {
    return [{ protocol, publicPorts: formatPorts(publicPort, count), localPort: "" }];
  }
  return Array.from({ length: count }, (_, at) => ({
    protocol,
    publicPorts: `${publicPort + at}`,
    localPort: `:${localPort + at}`,
  }));
}
