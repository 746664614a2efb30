/** Kinds of packets on a media port. */
export type PacketKind = "stun" | "dtls" | "rtp" | "rtcp" | "unknown";

const STUN_BYTES_MIN = 20;
const DTLS_BYTES_MIN = 13;
const RTP_BYTES_MIN = 12;
const RTCP_BYTES_MIN = 8;

/**
 * Demultiplexes the protocols of one port by the first byte (RFC 7983 §7), and RTCP from RTP by the second (RFC 5761
 * §4). A datagram too short for the header of its protocol is `unknown`.
 */
export function classifyPacket(packet: Uint8Array): PacketKind {
  const first = packet[0] ?? 0xff;
  const second = packet[1] ?? 0;
  const { length } = packet;
  if (first < 4) return length >= STUN_BYTES_MIN ? "stun" : "unknown";
  if (first >= 20 && first < 64) return length >= DTLS_BYTES_MIN ? "dtls" : "unknown";
  if (first < 128 || first >= 192) return "unknown";
  // RTCP's packet types; as RTP they would be payload types 64–95 with the marker bit, which RFC 5761 reserves.
  if (second >= 192 && second < 224) return length >= RTCP_BYTES_MIN ? "rtcp" : "unknown";
  return length >= RTP_BYTES_MIN ? "rtp" : "unknown";
}
