import {
  parsePayloadFeedback,
  parseRtpFeedback,
  readSsrcs,
  type RtcpFeedback,
} from "./rtcp_feedback.ts";
import { TRANSPORT_FEEDBACK_PACKETS_MAX } from "../../rate/transport_feedback.ts";

/** RTCP packet types (RFC 3550 §12.1, RFC 4585 §6.1). */
const TYPE_SENDER_REPORT = 200;
const TYPE_RECEIVER_REPORT = 201;
const TYPE_BYE = 203;
const TYPE_RTP_FEEDBACK = 205;
const TYPE_PAYLOAD_FEEDBACK = 206;

const HEADER_BYTES = 4;
const HAS_PADDING = 0x20;
const REPORT_BLOCK_BYTES = 24;
const SENDER_INFO_BYTES = 20;

/** How one receiver sees one stream (RFC 3550 §6.4.1). SSRCs, here and below, are 32-bit. */
export interface ReportBlock {
  /** The stream that is reported on. */
  readonly ssrc: number;
  /** Share of packets lost since the last report, 0–1 in steps of 1/256. */
  readonly fractionLost: number;
  /** Packets lost since the beginning; negative when duplicates outnumber them. */
  readonly cumulativeLost: number;
  /** Highest sequence number received; above its low 16 bits the number of wraps. */
  readonly highestSequenceNumber: number;
  /** Interarrival jitter in units of the stream's RTP clock. */
  readonly jitter: number;
  /** Compact NTP time of the last sender report that arrived, 0 if none did: see `compactNtp`. */
  readonly lastSenderReport: number;
  /** Time between that arrival and this report, in 1/65536 s. */
  readonly delaySinceLastSenderReport: number;
}

/** What a sender says of its own stream (RFC 3550 §6.4.1). */
export interface SenderReport {
  readonly type: "sender_report";
  readonly senderSsrc: number;
  /** Whole seconds since 1900, modulo 2^32. */
  readonly ntpSeconds: number;
  /** In 2^-32 s. */
  readonly ntpFraction: number;
  /** The same instant on the stream's RTP clock. */
  readonly rtpTimestamp: number;
  readonly packetCount: number;
  /** Bytes of payload, without headers and padding. */
  readonly octetCount: number;
  readonly reports: readonly ReportBlock[];
}

/** How a peer that sends nothing itself sees our streams (RFC 3550 §6.4.2). */
export interface ReceiverReport {
  readonly type: "receiver_report";
  readonly senderSsrc: number;
  readonly reports: readonly ReportBlock[];
}

/** Sources that have left (RFC 3550 §6.6). */
export interface Bye {
  readonly type: "bye";
  readonly ssrcs: readonly number[];
}

/** One packet of a compound that Pinhole understands. */
export type RtcpPacket = SenderReport | ReceiverReport | Bye | RtcpFeedback;

/** What a datagram of RTCP said. */
export interface RtcpCompound {
  /** In order; types that Pinhole has no use for are left out. */
  readonly packets: readonly RtcpPacket[];
  /** Parsing ended at something malformed: `packets` holds what came before. */
  readonly malformed: boolean;
}

/**
 * Parses a decrypted RTCP datagram (RFC 3550 §6, RFC 4585 §6, RFC 5104 §4). Reduced-size compounds (RFC 5506) are
 * taken as well: any type may come first.
 *
 * @param compound Read, and not kept.
 */
export function parseRtcp(compound: Uint8Array): RtcpCompound {
  const packets: RtcpPacket[] = [];
  let arrivals = 0;
  let offset = 0;
  do {
    const body = bodyAt(compound, offset);
    if (body === undefined) return { packets, malformed: true };
    const packet = parseBody(body);
    if (packet === "malformed") return { packets, malformed: true };
    if (packet?.type === "transport_feedback") arrivals += packet.arrivals.length;
    // For the compound as for one message: sixty of them fit into it, and would cost the event loop 30 ms.
    if (arrivals > TRANSPORT_FEEDBACK_PACKETS_MAX) return { packets, malformed: true };
    if (packet !== undefined) packets.push(packet);
    offset = body.end;
  } while (offset < compound.length);
  return { packets, malformed: false };
}

interface Body {
  readonly type: number;
  /** Number of blocks, or format of a feedback message. */
  readonly count: number;
  /** What follows the four bytes of the header, without padding. */
  readonly view: DataView;
  /** Where the next packet starts in the compound. */
  readonly end: number;
}

function bodyAt(compound: Uint8Array, offset: number): Body | undefined {
  const room = compound.length - offset;
  if (room < HEADER_BYTES) return undefined;
  const header = new DataView(compound.buffer, compound.byteOffset + offset, room);
  const flags = header.getUint8(0);
  const bytes = 4 * (header.getUint16(2) + 1);
  if (flags >>> 6 !== 2 || bytes > room) return undefined;
  const padding = flags & HAS_PADDING ? header.getUint8(bytes - 1) : 0;
  if (padding > bytes - HEADER_BYTES || (flags & HAS_PADDING && padding === 0)) return undefined;
  return {
    type: header.getUint8(1),
    count: flags & 0x1f,
    view: new DataView(
      compound.buffer,
      header.byteOffset + HEADER_BYTES,
      bytes - HEADER_BYTES - padding,
    ),
    end: offset + bytes,
  };
}

/** The packet; undefined for a type that is skipped. */
function parseBody(body: Body): RtcpPacket | undefined | "malformed" {
  switch (body.type) {
    case TYPE_SENDER_REPORT:
      return parseSenderReport(body);
    case TYPE_RECEIVER_REPORT:
      return parseReceiverReport(body);
    case TYPE_BYE:
      return parseBye(body);
    case TYPE_RTP_FEEDBACK:
      return parseRtpFeedback(body.view, body.count);
    case TYPE_PAYLOAD_FEEDBACK:
      return parsePayloadFeedback(body.view, body.count);
    default:
      return undefined;
  }
}

function parseSenderReport({ view, count }: Body): RtcpPacket | "malformed" {
  const reports = parseReportBlocks(view, { from: 4 + SENDER_INFO_BYTES, count });
  if (reports === undefined) return "malformed";
  return {
    type: "sender_report",
    senderSsrc: view.getUint32(0),
    ntpSeconds: view.getUint32(4),
    ntpFraction: view.getUint32(8),
    rtpTimestamp: view.getUint32(12),
    packetCount: view.getUint32(16),
    octetCount: view.getUint32(20),
    reports,
  };
}

function parseReceiverReport({ view, count }: Body): RtcpPacket | "malformed" {
  const reports = parseReportBlocks(view, { from: 4, count });
  if (reports === undefined) return "malformed";
  return { type: "receiver_report", senderSsrc: view.getUint32(0), reports };
}

/** Undefined when the packet is too short for them. Profile-specific extensions may follow (RFC 3550 §6.4.3). */
function parseReportBlocks(
  view: DataView,
  { from, count }: { from: number; count: number },
): ReportBlock[] | undefined {
  if (view.byteLength < from + count * REPORT_BLOCK_BYTES) return undefined;
  return Array.from({ length: count }, (_, index) => {
    const at = from + index * REPORT_BLOCK_BYTES;
    return {
      ssrc: view.getUint32(at),
      fractionLost: view.getUint8(at + 4) / 256,
      // 24 bits with a sign, behind the byte above.
      cumulativeLost: (view.getInt32(at + 4) << 8) >> 8,
      highestSequenceNumber: view.getUint32(at + 8),
      jitter: view.getUint32(at + 12),
      lastSenderReport: view.getUint32(at + 16),
      delaySinceLastSenderReport: view.getUint32(at + 20),
    };
  });
}

function parseBye({ view, count }: Body): RtcpPacket | "malformed" {
  const ssrcs = readSsrcs(view, { from: 0, count });
  return ssrcs === undefined ? "malformed" : { type: "bye", ssrcs };
}
