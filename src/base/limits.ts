/**
 * Caps that more than one part of the program shares, each with its reason. Caps that only one part knows stand in
 * that part's own `limits.ts`.
 */

/**
 * Longest datagram that is taken. frp cuts datagrams at its `udpPacketSize` of 1500 bytes and browsers stay at
 * 1408 or below (Firefox 153's ClientHello), so a longer one is nobody's.
 */
export const DATAGRAM_BYTES_MAX = 1500;

/**
 * Longest RTP packet before encryption. With 16 bytes of SRTP tag and 28 bytes of UDP and IPv4 headers it stays
 * under every path's MTU, base64 and JSON of frp's UDP proxy included.
 */
export const RTP_PACKET_BYTES_MAX = 1200 - 16;

/**
 * Longest message between a viewer and the renderer, either way, in bytes: `PINHOLE_MESSAGE_SIZE_MAX` of the C header.
 * The same number is what SCTP carries without a word about it (RFC 8841 §6.1).
 */
export const MESSAGE_BYTES_MAX = 64 * 1024;
