import { parseTransportFeedback, type TransportFeedback } from "../../rate/transport_feedback.ts";

/** Formats of feedback messages (RFC 4585 §6.2–6.3, RFC 5104 §4.3.1). */
const FORMAT_NACK = 1;
const FORMAT_TRANSPORT_CC = 15;
const FORMAT_PLI = 1;
const FORMAT_FIR = 4;
const FORMAT_APPLICATION = 15;
/** "REMB" in ASCII (draft-alvestrand-rmcat-remb-03 §2.2). */
const REMB_IDENTIFIER = 0x5245_4d42;

/** Sender and media source, before a message's own content. */
const SOURCES_BYTES = 8;
const NACK_ENTRY_BYTES = 4;
/** The bits of a NACK entry that name the numbers behind its first (RFC 4585 §6.2.1). */
const NACK_MASK_BITS = 16;
const FIR_ENTRY_BYTES = 8;
/** Identifier, number of sources and rate. */
const REMB_HEADER_BYTES = 8;

/**
 * One NACK asks for no more packets than this; what it lists beyond is left out. It is 300 ms of a stream of 30 Mbit/s:
 * what is older is better replaced by a keyframe.
 */
export const NACK_SEQUENCE_NUMBERS_MAX = 1024;

/** Packets to send again (RFC 4585 §6.2.1). */
export interface Nack {
  readonly type: "nack";
  readonly senderSsrc: number;
  readonly mediaSsrc: number;
  /** As the message lists them; at most {@link NACK_SEQUENCE_NUMBERS_MAX}. */
  readonly sequenceNumbers: readonly number[];
}

/** A keyframe is needed (RFC 4585 §6.3.1). */
export interface PictureLoss {
  readonly type: "pli";
  readonly senderSsrc: number;
  readonly mediaSsrc: number;
}

/** A keyframe is needed (RFC 5104 §4.3.1). */
export interface FullIntraRequest {
  readonly type: "fir";
  readonly senderSsrc: number;
  /** The sequence number has 8 bits; a repeated one is the same request once more. */
  readonly requests: readonly { readonly ssrc: number; readonly sequenceNumber: number }[];
}

/** The most that a receiver wants to get (draft-alvestrand-rmcat-remb-03 §2.2). */
export interface ReceiverBitrate {
  readonly type: "remb";
  readonly senderSsrc: number;
  /** For all of `ssrcs` together. */
  readonly bitsPerSecond: number;
  readonly ssrcs: readonly number[];
}

/** What receivers ask for and tell while media flows. */
export type RtcpFeedback =
  | Nack
  | PictureLoss
  | FullIntraRequest
  | ReceiverBitrate
  | TransportFeedback;

/**
 * Parses the body of an RTPFB packet (type 205): everything behind the four bytes of its header.
 * @returns Undefined for formats that Pinhole has no use for.
 */
export function parseRtpFeedback(
  view: DataView,
  format: number,
): Nack | TransportFeedback | undefined | "malformed" {
  if (view.byteLength < SOURCES_BYTES) return "malformed";
  if (format === FORMAT_TRANSPORT_CC) return parseTransportFeedback(view) ?? "malformed";
  if (format !== FORMAT_NACK) return undefined;
  return {
    type: "nack",
    senderSsrc: view.getUint32(0),
    mediaSsrc: view.getUint32(4),
    sequenceNumbers: readNackEntries(view),
  };
}

/**
 * Parses the body of a PSFB packet (type 206): everything behind the four bytes of its header.
 * @returns Undefined for formats that Pinhole has no use for.
 */
export function parsePayloadFeedback(
  view: DataView,
  format: number,
): PictureLoss | FullIntraRequest | ReceiverBitrate | undefined | "malformed" {
  if (view.byteLength < SOURCES_BYTES) return "malformed";
  const senderSsrc = view.getUint32(0);
  switch (format) {
    case FORMAT_PLI:
      return { type: "pli", senderSsrc, mediaSsrc: view.getUint32(4) };
    case FORMAT_FIR:
      return { type: "fir", senderSsrc, requests: readFirEntries(view) };
    case FORMAT_APPLICATION:
      return parseReceiverBitrate(view);
    default:
      return undefined;
  }
}

function readNackEntries(view: DataView): number[] {
  const numbers: number[] = [];
  for (
    let at = SOURCES_BYTES;
    at + NACK_ENTRY_BYTES <= view.byteLength && numbers.length < NACK_SEQUENCE_NUMBERS_MAX;
    at += NACK_ENTRY_BYTES
  ) {
    const first = view.getUint16(at);
    const mask = view.getUint16(at + 2);
    numbers.push(first);
    for (let bit = 0; bit < NACK_MASK_BITS; bit++) {
      if (mask & (1 << bit)) numbers.push((first + 1 + bit) & 0xffff);
    }
  }
  // The last entry may have led past the limit.
  return numbers.slice(0, NACK_SEQUENCE_NUMBERS_MAX);
}

function readFirEntries(view: DataView): { ssrc: number; sequenceNumber: number }[] {
  const requests: { ssrc: number; sequenceNumber: number }[] = [];
  for (let at = SOURCES_BYTES; at + FIR_ENTRY_BYTES <= view.byteLength; at += FIR_ENTRY_BYTES) {
    requests.push({ ssrc: view.getUint32(at), sequenceNumber: view.getUint8(at + 4) });
  }
  return requests;
}

function parseReceiverBitrate(view: DataView): ReceiverBitrate | undefined | "malformed" {
  const from = SOURCES_BYTES + REMB_HEADER_BYTES;
  // Other applications may use the same format.
  if (view.byteLength < from || view.getUint32(SOURCES_BYTES) !== REMB_IDENTIFIER) return undefined;
  const ssrcs = readSsrcs(view, { from, count: view.getUint8(SOURCES_BYTES + 4) });
  if (ssrcs === undefined) return "malformed";
  // 6 bits of exponent, then 18 of mantissa.
  const rate = view.getUint32(SOURCES_BYTES + 4) & 0xff_ffff;
  return {
    type: "remb",
    senderSsrc: view.getUint32(0),
    bitsPerSecond: (rate & 0x3_ffff) * 2 ** (rate >>> 18),
    ssrcs,
  };
}

/** A list of SSRCs; undefined when the view is too short for it. */
export function readSsrcs(
  view: DataView,
  { from, count }: { from: number; count: number },
): number[] | undefined {
  if (view.byteLength < from + 4 * count) return undefined;
  return Array.from({ length: count }, (_, index) => view.getUint32(from + 4 * index));
}
