const FIXED_HEADER_BYTES = 12;
const EXTENSION_HEADER_BYTES = 4;
const VERSION_2 = 0x80;
const HAS_EXTENSION = 0x10;
const MARKER = 0x80;
/** RFC 8285 §4.2: marks one-byte extension headers. */
const ONE_BYTE_PROFILE = 0xbede;
const ELEMENT_BYTES_MAX = 16;
const ELEMENT_ID_MAX = 14;
/** The unit and the largest value of playout-delay's two 12-bit fields. */
const PLAYOUT_DELAY_UNIT_MS = 10;
const PLAYOUT_DELAY_MAX = 0xfff;

/** One RTP header extension element in the one-byte form (RFC 8285 §4.2). */
export interface RtpHeaderExtension {
  /** 1–14, as negotiated by `a=extmap`. */
  readonly id: number;
  /** 1–16 bytes. */
  readonly data: Uint8Array;
}

/** The fields of an RTP header (RFC 3550 §5.1). */
export interface RtpHeader {
  /** 7 bits. */
  readonly payloadType: number;
  /** Only its low 16 bits are sent. */
  readonly sequenceNumber: number;
  /** In units of the payload type's clock (90 kHz for video); only its low 32 bits are sent. */
  readonly timestamp: number;
  /** 32 bits. */
  readonly ssrc: number;
  /** Ends a video frame. */
  readonly marker: boolean;
  readonly extensions?: readonly RtpHeaderExtension[];
}

/** Bytes of an RTP header with these extensions. */
export function rtpHeaderBytes(extensions?: readonly RtpHeaderExtension[]): number {
  let bytes = 0;
  if (extensions !== undefined) { for (const { data } of extensions) bytes += 1 + data.length; }
  if (bytes === 0) return FIXED_HEADER_BYTES;
  return FIXED_HEADER_BYTES + EXTENSION_HEADER_BYTES + bytes + (-bytes & 3);
}

/**
 * Writes an RTP header (RFC 3550 §5.1, RFC 8285 §4.2) to the start of `target` and allocates nothing.
 *
 * @returns Its length in bytes: the payload goes there.
 * @throws {RangeError} When `target` is too small, or an extension's id or length has no one-byte form.
 */
export function writeRtpHeader(target: Uint8Array, header: RtpHeader): number {
  const { payloadType, sequenceNumber, timestamp, ssrc, marker, extensions } = header;
  const bytes = rtpHeaderBytes(extensions);
  if (bytes > target.length) {
    throw new RangeError(
      `Cannot write an RTP header of ${bytes} bytes into ${target.length} bytes`,
    );
  }
  target[0] = bytes === FIXED_HEADER_BYTES ? VERSION_2 : VERSION_2 | HAS_EXTENSION;
  target[1] = (marker ? MARKER : 0) | (payloadType & 0x7f);
  target[2] = sequenceNumber >>> 8;
  target[3] = sequenceNumber;
  target[4] = timestamp >>> 24;
  target[5] = timestamp >>> 16;
  target[6] = timestamp >>> 8;
  target[7] = timestamp;
  target[8] = ssrc >>> 24;
  target[9] = ssrc >>> 16;
  target[10] = ssrc >>> 8;
  target[11] = ssrc;
  if (bytes > FIXED_HEADER_BYTES && extensions !== undefined) {
    writeExtensions(target.subarray(FIXED_HEADER_BYTES, bytes), extensions);
  }
  return bytes;
}

function writeExtensions(target: Uint8Array, extensions: readonly RtpHeaderExtension[]): void {
  const words = (target.length - EXTENSION_HEADER_BYTES) / 4;
  target[0] = ONE_BYTE_PROFILE >>> 8;
  target[1] = ONE_BYTE_PROFILE & 0xff;
  target[2] = words >>> 8;
  target[3] = words;
  let at = EXTENSION_HEADER_BYTES;
  for (const { id, data } of extensions) {
    if (
      !(id >= 1 && id <= ELEMENT_ID_MAX) || data.length === 0 || data.length > ELEMENT_BYTES_MAX
    ) {
      throw new RangeError(
        `Cannot write RTP header extension ${id} of ${data.length} bytes: ids are 1–14, lengths 1–16`,
      );
    }
    target[at] = (id << 4) | (data.length - 1);
    target.set(data, at + 1);
    at += 1 + data.length;
  }
  // The buffer may have held another packet.
  target.fill(0, at);
}

/**
 * The three bytes of the `playout-delay` extension
 * (http://www.webrtc.org/experiments/rtp-hdrext/playout-delay): the least and the most time between capture and
 * rendering that the receiver should aim for. Zero for both asks it to render at once.
 *
 * @param range Milliseconds, 0–40950, in steps of 10; values between are rounded down.
 */
export function formatPlayoutDelay(
  range: { readonly minMs: number; readonly maxMs: number },
): Uint8Array<ArrayBuffer> {
  const min = Math.min(Math.floor(range.minMs / PLAYOUT_DELAY_UNIT_MS), PLAYOUT_DELAY_MAX);
  const max = Math.min(Math.floor(range.maxMs / PLAYOUT_DELAY_UNIT_MS), PLAYOUT_DELAY_MAX);
  return Uint8Array.of(min >>> 4, ((min & 0xf) << 4) | (max >>> 8), max);
}
