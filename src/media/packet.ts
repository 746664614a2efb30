/** How large the pieces may be that a packetizer cuts one encoded frame into. */
export interface PacketizeOptions {
  /**
   * Most bytes of one RTP payload, a whole number: the packet limit less the RTP header and its extensions. What SRTP
   * adds behind the payload is the caller's to leave room for.
   */
  readonly payloadBytesMax: number;
}
