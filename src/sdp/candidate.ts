import { PORT_MAX } from "../base/limits.ts";
import { isIP } from "node:net";

/** The server's candidate, in the form of sdp-transform. */
export interface CandidateFields {
  readonly foundation: string;
  /** 1: RTP, with RTCP on the same port. */
  readonly component: 1;
  readonly transport: "udp" | "tcp";
  readonly priority: number;
  readonly ip: string;
  readonly port: number;
  readonly type: "host";
  readonly tcptype?: "passive";
}

/** Public address of the server. */
export interface CandidateAddress {
  /** IPv4 or IPv6 literal, without brackets or zone; never a DNS name. */
  readonly address: string;
  /** 1–65535. */
  readonly port: number;
  /** Over TCP the viewer connects to the server (RFC 6544 §4.1, `passive`). */
  readonly transport: "udp" | "tcp";
}

/** Local preference of the address on the only interface: the highest of 16 bits (RFC 8445 §5.1.2.1). */
const LOCAL_PREFERENCE_MAX = 65_535;

/** The priority of a candidate of component 1 (RFC 8445 §5.1.2.1). The local preference is the highest by default. */
export function candidatePriority(
  typePreference: number,
  localPreference: number = LOCAL_PREFERENCE_MAX,
): number {
  return typePreference * 2 ** 24 + localPreference * 2 ** 8 + 255;
}

/**
 * UDP is a host candidate (126). TCP ranks below any UDP candidate by a lower type preference (90), and its local
 * preference is that of `passive` (RFC 6544 §4.2): 4 × 2¹³ + 8191 = 40959.
 */
const PRIORITY = { udp: candidatePriority(126), tcp: candidatePriority(90, 40_959) } as const;

/**
 * The version of an IP literal, 4 or 6.
 * @throws {TypeError} If the text is anything else, such as a DNS name or an address with a zone.
 */
export function ipVersion(address: string): 4 | 6 {
  const version = isIP(address);
  if ((version !== 4 && version !== 6) || address.includes("%")) {
    throw new TypeError(`Cannot announce ${JSON.stringify(address)}: it is not an IP address`);
  }
  return version;
}

/**
 * The candidate of an address.
 * @throws {TypeError} If the address is not an IP literal.
 * @throws {RangeError} If the port is not 1–65535.
 */
export function candidateFields({ address, port, transport }: CandidateAddress): CandidateFields {
  ipVersion(address);
  if (!Number.isInteger(port) || port < 1 || port > PORT_MAX) {
    throw new RangeError(`Cannot announce port ${port}: it is not 1–${PORT_MAX}`);
  }
  return {
    // Candidates of different transports have different foundations (RFC 8445 §5.1.1.3).
    foundation: transport === "udp" ? "1" : "2",
    component: 1,
    transport,
    priority: PRIORITY[transport],
    ip: address,
    port,
    type: "host",
    ...(transport === "tcp" ? { tcptype: "passive" as const } : {}),
  };
}

/**
 * The candidate for a page's `addIceCandidate`: the attribute of RFC 8839 §5.1 without `a=`.
 * @throws {TypeError} If the address is not an IP literal.
 * @throws {RangeError} If the port is not 1–65535.
 */
export function formatCandidate(address: CandidateAddress): string {
  const { foundation, component, transport, priority, ip, port, type, tcptype } = candidateFields(
    address,
  );
  const line =
    `candidate:${foundation} ${component} ${transport} ${priority} ${ip} ${port} typ ${type}`;
  return tcptype ? `${line} tcptype ${tcptype}` : line;
}
