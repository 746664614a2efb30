import type { ReportBlock } from "./rtcp.ts";

const TYPE_SENDER_REPORT = 200;
const TYPE_RECEIVER_REPORT = 201;
const TYPE_SOURCE_DESCRIPTION = 202;
const TYPE_BYE = 203;
const VERSION_2 = 0x80;
/** RFC 3550 §6.5.1. */
const ITEM_CNAME = 1;

const SENDER_REPORT_BYTES = 28;
const EMPTY_RECEIVER_REPORT_BYTES = 8;
const BYE_BYTES = 8;
const CNAME_BYTES_MAX = 255;
/** Seconds from 1900, where NTP begins, to 1970. */
const NTP_TO_UNIX_S = 2_208_988_800;
const UTF8 = new TextEncoder();

/** Options of {@link formatSenderReport}. */
export interface SenderReportOptions {
  readonly ssrc: number;
  /** Now, in wall-clock milliseconds since 1970. */
  readonly wallMs: number;
  /** What the stream's RTP clock shows now; only its low 32 bits are sent. */
  readonly rtpTimestamp: number;
  /** RTP packets sent so far; only the low 32 bits are sent. */
  readonly packetCount: number;
  /** Bytes of their payload, without headers and padding; only the low 32 bits are sent. */
  readonly octetCount: number;
  /** Canonical name: the same for all streams that play in step. At most 255 bytes as UTF-8. */
  readonly cname: string;
}

/**
 * A compound of a sender report and the source's canonical name (RFC 3550 §6.4.1, §6.5), before encryption.
 * @throws {RangeError} When `cname` is too long.
 */
export function formatSenderReport(options: SenderReportOptions): Uint8Array<ArrayBuffer> {
  const { ssrc, wallMs, rtpTimestamp, packetCount, octetCount, cname } = options;
  const description = formatDescription(ssrc, cname);
  const compound = new Uint8Array(SENDER_REPORT_BYTES + description.length);
  const view = new DataView(compound.buffer);
  const { seconds, fraction } = ntpTime(wallMs);
  writeHeader(view, { type: TYPE_SENDER_REPORT, count: 0, bytes: SENDER_REPORT_BYTES });
  view.setUint32(4, ssrc);
  view.setUint32(8, seconds);
  view.setUint32(12, fraction);
  view.setUint32(16, rtpTimestamp);
  view.setUint32(20, packetCount);
  view.setUint32(24, octetCount);
  compound.set(description, SENDER_REPORT_BYTES);
  return compound;
}

/**
 * A compound that says that a stream is over: an empty receiver report, since every compound begins with a report, the
 * canonical name and BYE (RFC 3550 §6.1, §6.6), before encryption.
 * @throws {RangeError} When `cname` is longer than 255 bytes as UTF-8.
 */
export function formatBye(
  { ssrc, cname }: { readonly ssrc: number; readonly cname: string },
): Uint8Array<ArrayBuffer> {
  const description = formatDescription(ssrc, cname);
  const byeAt = EMPTY_RECEIVER_REPORT_BYTES + description.length;
  const compound = new Uint8Array(byeAt + BYE_BYTES);
  const report = new DataView(compound.buffer, 0);
  writeHeader(report, { type: TYPE_RECEIVER_REPORT, count: 0, bytes: EMPTY_RECEIVER_REPORT_BYTES });
  report.setUint32(4, ssrc);
  compound.set(description, EMPTY_RECEIVER_REPORT_BYTES);
  const bye = new DataView(compound.buffer, byeAt);
  writeHeader(bye, { type: TYPE_BYE, count: 1, bytes: BYE_BYTES });
  bye.setUint32(4, ssrc);
  return compound;
}

function formatDescription(ssrc: number, cname: string): Uint8Array {
  const name = UTF8.encode(cname);
  if (name.length > CNAME_BYTES_MAX) {
    throw new RangeError(
      `Cannot write a CNAME of ${name.length} bytes: it has at most ${CNAME_BYTES_MAX}`,
    );
  }
  // Header, source, the item's type and length, and at least one zero byte behind the last item.
  const unpadded = 4 + 4 + 2 + name.length + 1;
  const packet = new Uint8Array(unpadded + (-unpadded & 3));
  const view = new DataView(packet.buffer);
  writeHeader(view, { type: TYPE_SOURCE_DESCRIPTION, count: 1, bytes: packet.length });
  view.setUint32(4, ssrc);
  view.setUint8(8, ITEM_CNAME);
  view.setUint8(9, name.length);
  packet.set(name, 10);
  return packet;
}

function writeHeader(
  view: DataView,
  { type, count, bytes }: { type: number; count: number; bytes: number },
): void {
  view.setUint8(0, VERSION_2 | count);
  view.setUint8(1, type);
  view.setUint16(2, bytes / 4 - 1);
}

/**
 * Wall-clock time as NTP (RFC 3550 §4).
 *
 * @param wallMs Milliseconds since 1970, with fractions.
 * @returns Whole seconds since 1900, modulo 2^32 (it wraps in 2036), and the rest in 2^-32 s.
 */
export function ntpTime(wallMs: number): { seconds: number; fraction: number } {
  const unixSeconds = Math.floor(wallMs / 1000);
  const fraction = Math.floor(((wallMs - unixSeconds * 1000) / 1000) * 0x1_0000_0000);
  return { seconds: (unixSeconds + NTP_TO_UNIX_S) >>> 0, fraction };
}

/** The middle 32 bits of an NTP time: 1/65536 s, wrapping every 18 hours (RFC 3550 §4). */
export function compactNtp(wallMs: number): number {
  const { seconds, fraction } = ntpTime(wallMs);
  return ((seconds << 16) | (fraction >>> 16)) >>> 0;
}

/**
 * Round-trip time that a report block shows (RFC 3550 §6.4.1).
 *
 * @param report A block on a stream whose sender reports had this host's wall-clock time.
 * @param arrivedWallMs When it arrived, in wall-clock milliseconds since 1970.
 * @returns Milliseconds, 0 at least; undefined when the receiver had no sender report yet.
 */
export function roundTripMs(
  report: Pick<ReportBlock, "lastSenderReport" | "delaySinceLastSenderReport">,
  arrivedWallMs: number,
): number | undefined {
  const { lastSenderReport, delaySinceLastSenderReport } = report;
  if (lastSenderReport === 0) return undefined;
  const elapsed = compactNtp(arrivedWallMs) - lastSenderReport - delaySinceLastSenderReport;
  // On a short path the rounding of both clocks can make it negative.
  return Math.max(0, ((elapsed | 0) * 1000) / 65536);
}
