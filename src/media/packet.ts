/** Options of packetizers. */
export interface PacketizeOptions {
  /**
   * Maximum bytes of one RTP payload, an integer: the packet limit minus the RTP header and its extensions. The caller
   * also subtracts what SRTP appends.
   */
  readonly payloadBytesMax: number;
}
