/**
 * Limits that several parts of the program share, each with its reason. Limits of a single part are in its own
 * `limits.ts`.
 */

/**
 * Largest accepted datagram, in bytes. frp truncates datagrams at its `udpPacketSize` of 1500 bytes, and browsers send
 * at most 1408 (Firefox 153's ClientHello), so a larger one is not valid.
 */
export const DATAGRAM_BYTES_MAX = 1500;

/**
 * Largest RTP packet before encryption, in bytes. With 16 bytes of SRTP tag and 28 bytes of UDP and IPv4 headers it
 * fits the MTU of every usual path, also with the base64 and JSON of frp's UDP proxy.
 */
export const RTP_PACKET_BYTES_MAX = 1200 - 16;

/**
 * Largest message between a viewer and the renderer, in either direction, in bytes: `PINHOLE_MESSAGE_SIZE_MAX` of the C
 * header. It is also the default of `a=max-message-size` (RFC 8841 §6.1).
 */
export const MESSAGE_BYTES_MAX = 64 * 1024;

/** The highest port number of TCP, UDP and SCTP, which have 16 bits for it. */
export const PORT_MAX = 65_535;
