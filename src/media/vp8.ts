/** Size of the descriptor: one byte of flags, one of extension flags, two of picture id. */
const DESCRIPTOR_BYTES = 4;
/** The X bit: an extension byte follows. */
const EXTENDED = 0x80;
/** The S bit: this payload starts a partition. */
const PARTITION_START = 0x10;
/** The I bit of the extension byte: a picture id follows. */
const HAS_PICTURE_ID = 0x80;
/** The M bit of the picture id: it has 15 bits, not 7. */
const LONG_PICTURE_ID = 0x80;

/** Options of {@link packetizeVp8}. */
export interface PacketizeVp8Options {
  /**
   * Maximum bytes of one RTP payload, an integer: the packet limit minus the RTP header and its extensions. The caller
   * also subtracts what SRTP appends.
   */
  readonly payloadBytesMax: number;
  /** One more than that of the previous frame; only the low 15 bits are sent. */
  readonly pictureId: number;
}

/**
 * Splits one VP8 frame into RTP payloads (RFC 7741 §4.2): each begins with a descriptor that has a 15-bit picture id.
 *
 * The whole frame is sent as partition 0, as §4.4 allows, in payloads whose sizes differ by one byte at most, so that
 * no packet carries a small rest. The packet of the last payload carries the marker bit.
 *
 * @param frame One encoded frame; it is copied and not kept.
 * @returns Payloads that share one new buffer; none for an empty frame.
 * @throws {RangeError} When `payloadBytesMax` leaves no room after the descriptor.
 */
export function packetizeVp8(frame: Uint8Array, options: PacketizeVp8Options): Uint8Array[] {
  const { payloadBytesMax, pictureId } = options;
  if (!(payloadBytesMax > DESCRIPTOR_BYTES)) {
    throw new RangeError(
      `Cannot packetize VP8 with payloadBytesMax ${payloadBytesMax}: it must be above ${DESCRIPTOR_BYTES}`,
    );
  }
  const count = Math.ceil(frame.length / (payloadBytesMax - DESCRIPTOR_BYTES));
  const buffer = new Uint8Array(frame.length + count * DESCRIPTOR_BYTES);
  const payloads = new Array<Uint8Array>(count);
  for (let index = 0, from = 0, at = 0; index < count; index++) {
    const to = Math.floor(((index + 1) * frame.length) / count);
    const end = at + DESCRIPTOR_BYTES + to - from;
    buffer[at] = index === 0 ? EXTENDED | PARTITION_START : EXTENDED;
    buffer[at + 1] = HAS_PICTURE_ID;
    buffer[at + 2] = LONG_PICTURE_ID | (pictureId >>> 8);
    buffer[at + 3] = pictureId & 0xff;
    buffer.set(frame.subarray(from, to), at + DESCRIPTOR_BYTES);
    payloads[index] = buffer.subarray(at, end);
    from = to;
    at = end;
  }
  return payloads;
}
