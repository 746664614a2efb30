import { type PortTransport, type PublicPortEntry, transportsOf } from "../base/public_ports.ts";
import type { Check } from "./problem.ts";
import type { Config } from "./config.ts";
import { covers, formatPublicPort, isBlockedPort } from "./public_port.ts";
import { mediaPortsOf } from "./reach.ts";
import { showText, showValue } from "./show.ts";

const TRANSPORTS = ["udp", "tcp"] as const;
const KEYS = ["webrtc.port_min", "webrtc.port_max", "webrtc.udp", "webrtc.tcp"] as const;

/** The rules for public ports. */
export const PUBLIC_PORT_CHECKS: readonly Check[] = [
  {
    keys: ["webrtc.udp", "webrtc.tcp", "webrtc.provider"],
    broken: ({ webrtc: { udp, tcp, portMin, portMax }, reach }, mention) =>
      reach.ports.length > 0 || portMin > portMax || (!udp && !tcp)
        ? undefined
        : `leaves no media port with ${mention("webrtc.tcp")}: ` +
          `${reach.provider?.title} maps none for what is on`,
  },
  {
    keys: ["webrtc.public_port_min", "webrtc.public_ports", ...KEYS],
    broken: ({ webrtc, reach }) => {
      if (webrtc.publicPorts.length > 0) return undefined;
      const port = blockedIn(reach);
      const first = webrtc.publicPortMin || webrtc.portMin;
      const last = first + webrtc.portMax - webrtc.portMin;
      return port === undefined
        ? undefined
        : `must not put port ${port} into the public ports ${first} to ${last}: browsers block that port`;
    },
  },
  {
    keys: ["webrtc.public_ports", ...KEYS],
    broken: (config, mention) => {
      const { publicPorts, portMin, portMax } = config.webrtc;
      if (publicPorts.length === 0 || portMin > portMax) return undefined;
      const strange = publicPorts.find(({ port }) => port < portMin || port > portMax);
      if (strange !== undefined) {
        return `must name local ports from ${mention("webrtc.port_min")} to ` +
          `${mention("webrtc.port_max")}; ${show(strange)} does not`;
      }
      const off = publicPorts.find(({ transport }) => transport && !config.webrtc[transport]);
      if (off !== undefined) {
        return `has ${show(off)}, but ${mention(`webrtc.${off.transport ?? "udp"}`)}`;
      }
      return doubled(config.webrtc) ?? missing(config) ?? blocked(config);
    },
  },
];

function show(entry: PublicPortEntry): string {
  return `"${formatPublicPort(entry)}"`;
}

/** Two entries for one port, or for one public place. */
function doubled(
  { publicPorts: entries, publicIp }: Pick<Config["webrtc"], "publicPorts" | "publicIp">,
): string | undefined {
  const hostOf = ({ place }: PublicPortEntry) => (place.host ?? publicIp)?.toLowerCase();
  for (const transport of TRANSPORTS) {
    const own = entries.filter((entry) => covers(entry, transport));
    for (const [at, one] of own.entries()) {
      const rest = own.slice(at + 1);
      const again = rest.find(({ port }) => port === one.port);
      if (again !== undefined) {
        return `must have one entry for ${named(one.port, transport)}, not both ${show(one)} and ` +
          show(again);
      }
      const same = rest.find((other) =>
        other.place.port === one.place.port && hostOf(other) === hostOf(one)
      );
      if (same !== undefined) {
        return `must lead to one local port from each public one; ${show(one)} and ${show(same)} ` +
          "have the same";
      }
    }
  }
  return undefined;
}

/** A port without an entry for a transport for which others have one. */
function missing({ webrtc, reach }: Config): string | undefined {
  for (const transport of TRANSPORTS) {
    if (!webrtc[transport]) continue;
    const has = (port: number) =>
      reach.ports.some((each) => each.port === port && transportsOf(each).includes(transport));
    for (let port = webrtc.portMin; port <= webrtc.portMax; port++) {
      if (has(port)) continue;
      return `must have an entry for ${named(port, transport)} too, such as ` +
        `"${port}/${transport}=41022"; or change webrtc.port_min and webrtc.port_max`;
    }
  }
  return undefined;
}

/** A public port to which browsers send nothing. */
function blocked({ webrtc: { publicPorts }, reach }: Config): string | undefined {
  const port = blockedIn(reach);
  if (port === undefined) return undefined;
  const entry = publicPorts.find(({ place }) => place.port === port);
  return entry === undefined
    ? `leaves public port ${port} to webrtc.public_port_min: browsers block that port`
    : `must not have ${show(entry)}: browsers block port ${port}`;
}

function named(port: number, transport: PortTransport): string {
  return `port ${port} over ${transport.toUpperCase()}`;
}

function blockedIn({ ports }: Config["reach"]): number | undefined {
  return ports.flatMap(({ udp, tcp }) => [udp?.port, tcp?.port])
    .find((port) => port !== undefined && isBlockedPort(port));
}

/** Warns about what a provider's variables say, one line each. Pure. */
export function providerWarnings({ webrtc, reach: { provider } }: Config): string[] {
  if (provider === undefined) return [];
  const { title, rubbish, ports } = provider;
  const warnings = rubbish.map(({ variable, value }) =>
    `${showText(variable)} = ${showValue(value)} of ${title} makes no sense and is ignored`
  );
  const blocked = ports.filter(({ place }) => isBlockedPort(place.port));
  warnings.push(
    ...blocked.map(({ place }) => `${place.from} of ${title} is ignored: browsers block that port`),
  );
  if (webrtc.publicPorts.length > 0 || mediaPortsOf(webrtc, provider).length > 0) return warnings;
  const { portMin } = webrtc;
  return [
    ...warnings,
    `${title} maps no media port to this host; ask it for port ${portMin}, or for port 70000, which stands for any ` +
    'port with the same public number; or set webrtc.public_ports, or webrtc.provider = "none"',
  ];
}
