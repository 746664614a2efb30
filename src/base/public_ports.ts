/** How packets of viewers come to this host. */
export type PortTransport = "udp" | "tcp";

/** Where browsers find one port of this host over one transport. */
export interface PublicPlace {
  /** IP literal or DNS name; `undefined` for `webrtc.public_ip`, or the address that the viewer used. */
  readonly host: string | undefined;
  /** 1–65535. */
  readonly port: number;
  /** The key or variable that says so, with its value; `undefined` if the number is that of the local port. */
  readonly from: string | undefined;
}

/** One local media port, and where browsers find it over each transport on which it listens; at least one. */
export interface PlannedPort {
  readonly port: number;
  readonly udp: PublicPlace | undefined;
  readonly tcp: PublicPlace | undefined;
}

/** The public address of a port over one transport. */
export interface PublicAddress {
  /** IP literal. */
  readonly address: string;
  readonly port: number;
}

/** The public addresses in an answer, one for each transport by which viewers reach the port; at least one. */
export interface PublicAddresses {
  readonly udp: PublicAddress | undefined;
  readonly tcp: PublicAddress | undefined;
}

/** One entry of `webrtc.public_ports`, or what the provider's variables say of one port. */
export interface PublicPortEntry {
  /** The local port. */
  readonly port: number;
  /** `undefined`: both. */
  readonly transport: PortTransport | undefined;
  readonly place: PublicPlace;
}

/** The transports of a planned port, UDP first. */
export function transportsOf(planned: PlannedPort): PortTransport[] {
  return (["udp", "tcp"] as const).filter((transport) => planned[transport] !== undefined);
}

/** Formats ports in rising order, with consecutive ones as ranges: `10111-10113,10115`. */
export function formatPortList(ports: readonly number[]): string {
  const runs: [from: number, to: number][] = [];
  for (const port of ports) {
    const last = runs.at(-1);
    if (last !== undefined && last[1] === port - 1) last[1] = port;
    else runs.push([port, port]);
  }
  return runs.map(([from, to]) => from === to ? `${from}` : `${from}-${to}`).join(",");
}
