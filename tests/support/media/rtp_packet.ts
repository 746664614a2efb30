import type { RtpHeader, RtpHeaderExtension } from "../../../src/transport/rtp/rtp.ts";

const FIXED_HEADER_BYTES = 12;
const EXTENSION_HEADER_BYTES = 4;
const HAS_PADDING = 0x20;
const HAS_EXTENSION = 0x10;
const MARKER = 0x80;
/** RFC 8285 §4.2: marks one-byte extension headers. */
const ONE_BYTE_PROFILE = 0xbede;
/** RFC 8285 §4.2: a receiver stops at this id, and at id 0 unless it is a byte of padding. */
const ELEMENT_ID_STOP = 15;

/** An RTP packet as it was received. */
export interface RtpPacket extends RtpHeader {
  readonly extensions: readonly RtpHeaderExtension[];
  /** A view into the packet, without padding. */
  readonly payload: Uint8Array;
}

/**
 * Parses an RTP packet (RFC 3550 §5.1). Of header extensions, the one-byte form is read; others are skipped.
 *
 * @returns Views into `packet`; undefined when it is not a well-formed RTP packet.
 */
export function parseRtp(packet: Uint8Array): RtpPacket | undefined {
  if (packet.length < FIXED_HEADER_BYTES) return undefined;
  const view = new DataView(packet.buffer, packet.byteOffset, packet.length);
  const flags = view.getUint8(0);
  if (flags >>> 6 !== 2) return undefined;
  let from = FIXED_HEADER_BYTES + 4 * (flags & 0x0f);
  let extensions: readonly RtpHeaderExtension[] = [];
  if (flags & HAS_EXTENSION) {
    if (from + EXTENSION_HEADER_BYTES > packet.length) return undefined;
    const profile = view.getUint16(from);
    const end = from + EXTENSION_HEADER_BYTES + 4 * view.getUint16(from + 2);
    if (end > packet.length) return undefined;
    if (profile === ONE_BYTE_PROFILE) {
      extensions = parseElements(packet.subarray(from + EXTENSION_HEADER_BYTES, end));
    }
    from = end;
  }
  const padding = flags & HAS_PADDING ? view.getUint8(packet.length - 1) : 0;
  const to = packet.length - padding;
  if (to < from || (flags & HAS_PADDING && padding === 0)) return undefined;
  const second = view.getUint8(1);
  return {
    payloadType: second & 0x7f,
    sequenceNumber: view.getUint16(2),
    timestamp: view.getUint32(4),
    ssrc: view.getUint32(8),
    marker: (second & MARKER) !== 0,
    extensions,
    payload: packet.subarray(from, to),
  };
}

function parseElements(block: Uint8Array): RtpHeaderExtension[] {
  const elements: RtpHeaderExtension[] = [];
  let at = 0;
  while (at < block.length) {
    const head = block[at] ?? 0;
    const id = head >>> 4;
    if (head === 0) {
      at += 1;
      continue;
    }
    if (id === 0 || id === ELEMENT_ID_STOP) break;
    const end = at + 2 + (head & 0x0f);
    if (end > block.length) break;
    elements.push({ id, data: block.subarray(at + 1, end) });
    at = end;
  }
  return elements;
}
