import { type PlannedPort, transportsOf } from "../base/public_ports.ts";

/** The ports that a tunnel maps: all, or those of one of two separate tunnels. */
export type TunnelPart = "all" | "media" | "signalling";

/** Options of {@link mapPorts}. */
export interface MappingOptions {
  /** Listening address of HTTP and WebSocket; port 1 to 65535. */
  readonly signalling: { readonly hostname: string; readonly port: number };
  /** The public http or https origin of the page; `undefined` if it is not configured. */
  readonly publicUrl: string | undefined;
  readonly media: {
    readonly listen: string;
    /** Without a public URL, signalling has the port below. */
    readonly publicPortMin: number;
    readonly ports: readonly PlannedPort[];
  };
  readonly part: TunnelPart;
}

/** One port of this host, with the public port that maps to it. */
export interface MappedPort {
  /** Name of frp's proxy, such as `udp_10111`: the protocol and the public port. */
  readonly name: string;
  readonly protocol: "tcp" | "udp";
  readonly localIp: string;
  readonly localPort: number;
  readonly publicPort: number;
}

/** The ports of one tunnel. */
export interface PortMapping {
  /** HTTP and WebSocket; `undefined` in a tunnel for media only. */
  readonly signalling: MappedPort | undefined;
  /** By port, UDP before TCP; empty in a tunnel for signalling only. */
  readonly media: readonly MappedPort[];
}

/** Consecutive ports of one protocol, both public and local. */
export interface MappedRange {
  readonly protocol: "tcp" | "udp";
  readonly localPort: number;
  readonly publicPort: number;
  /** At least 1. */
  readonly count: number;
}

/** Name of the proxy for signalling. */
export const SIGNALLING_NAME = "gpu_server_api";

/** Maps public ports to ports of this host. Pure. */
export function mapPorts({ signalling, publicUrl, media, part }: MappingOptions): PortMapping {
  const api: MappedPort = {
    name: SIGNALLING_NAME,
    protocol: "tcp",
    localIp: reachable(signalling.hostname),
    localPort: signalling.port,
    publicPort: signallingPublicPort({ publicUrl, publicPortMin: media.publicPortMin }),
  };
  return {
    signalling: part === "media" ? undefined : api,
    media: part === "signalling" ? [] : mapMedia(media),
  };
}

/**
 * The public port of signalling: that of the public URL; without a URL, the port below the first public media port,
 * such as 10110 below 10111. 0 if there is none below.
 */
export function signallingPublicPort(
  { publicUrl, publicPortMin }: { publicUrl: string | undefined; publicPortMin: number },
): number {
  if (publicUrl === undefined) return publicPortMin - 1;
  const { port, protocol } = new URL(publicUrl);
  if (port !== "") return Number(port);
  return protocol === "https:" ? 443 : 80;
}

/** All ports of the mapping, signalling first. */
export function allPorts({ signalling, media }: PortMapping): readonly MappedPort[] {
  return signalling === undefined ? media : [signalling, ...media];
}

/** The ports of the mapping, joined to ranges, signalling first. */
export function toRanges(mapping: PortMapping): readonly MappedRange[] {
  const ranges: MappedRange[] = [];
  const byProtocol = [...mapping.media].sort((a, b) => b.protocol.localeCompare(a.protocol));
  for (const { protocol, localPort, publicPort } of allPorts({ ...mapping, media: byProtocol })) {
    const last = ranges.at(-1);
    const follows = last !== undefined && last.protocol === protocol &&
      last.localPort + last.count === localPort && last.publicPort + last.count === publicPort;
    if (follows) ranges[ranges.length - 1] = { ...last, count: last.count + 1 };
    else ranges.push({ protocol, localPort, publicPort, count: 1 });
  }
  return ranges;
}

/** Formats one port as `10110`, and consecutive ports as `10111-10115`. */
export function formatPorts(first: number, count: number): string {
  return count === 1 ? `${first}` : `${first}-${first + count - 1}`;
}

function mapMedia({ listen, ports }: MappingOptions["media"]): MappedPort[] {
  return ports.flatMap((planned) =>
    transportsOf(planned).flatMap((protocol) => {
      const place = planned[protocol];
      return place === undefined ? [] : [{
        name: `${protocol}_${place.port}`,
        protocol,
        localIp: reachable(listen),
        localPort: planned.port,
        publicPort: place.port,
      }];
    })
  );
}

/** The address for connecting to a listener from this host. */
function reachable(listen: string): string {
  if (listen === "0.0.0.0") return "127.0.0.1";
  return /^[0:]+$/.test(listen) ? "::1" : listen;
}
