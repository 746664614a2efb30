/** Sender and media SSRC, before the content of the message. */
const SOURCES_BYTES = 8;
/** Base sequence number, status count, reference time and message count. */
const HEADER_BYTES = 8;
const REFERENCE_TIME_UNIT_US = 64_000;
const DELTA_UNIT_US = 250;

/** Packet status symbols. */
const NOT_RECEIVED = 0;
const SMALL_DELTA = 1;
const LARGE_DELTA = 2;

/**
 * A message about more packets is treated as malformed, because a few bytes can claim 65535 of them. At 30 Mbit/s this
 * is more than two seconds, while browsers report at least every 250 ms.
 */
export const TRANSPORT_FEEDBACK_PACKETS_MAX = 8192;

/** Reported arrival of one packet. */
export interface PacketArrival {
  /** The packet's transport-wide sequence number, 16 bits. */
  readonly sequenceNumber: number;
  /** Microseconds on the receiver's clock, whose zero is arbitrary; undefined if the packet has not arrived. */
  readonly receivedAtUs: number | undefined;
}

/** Transport-wide congestion control feedback (draft-holmer-rmcat-transport-wide-cc-extensions-01 §3.1). */
export interface TransportFeedback {
  readonly type: "transport_feedback";
  readonly senderSsrc: number;
  readonly mediaSsrc: number;
  /** Counter of messages, 8 bits: a gap means a lost message. */
  readonly feedbackCount: number;
  /** In sending order without gaps; at most {@link TRANSPORT_FEEDBACK_PACKETS_MAX}. */
  readonly arrivals: readonly PacketArrival[];
}

/**
 * Parses the body of the message: everything after the four bytes of its RTCP header.
 * @returns Undefined if it is malformed.
 */
export function parseTransportFeedback(view: DataView): TransportFeedback | undefined {
  const from = SOURCES_BYTES + HEADER_BYTES;
  if (view.byteLength < from) return undefined;
  const first = view.getUint16(SOURCES_BYTES);
  const count = view.getUint16(SOURCES_BYTES + 2);
  if (count > TRANSPORT_FEEDBACK_PACKETS_MAX) return undefined;
  const statuses = new Uint8Array(count);
  const deltasAt = readStatuses(view, { from, statuses });
  if (deltasAt === undefined) return undefined;

  const reference = view.getInt32(SOURCES_BYTES + 4);
  // Signed 24 bits, before the message count.
  let timeUs = (reference >> 8) * REFERENCE_TIME_UNIT_US;
  let at = deltasAt;
  const arrivals: PacketArrival[] = [];
  for (const [index, status] of statuses.entries()) {
    const sequenceNumber = (first + index) & 0xffff;
    if (status === NOT_RECEIVED) {
      arrivals.push({ sequenceNumber, receivedAtUs: undefined });
      continue;
    }
    const bytes = status === SMALL_DELTA ? 1 : 2;
    if (status > LARGE_DELTA || at + bytes > view.byteLength) return undefined;
    timeUs += DELTA_UNIT_US * (status === SMALL_DELTA ? view.getUint8(at) : view.getInt16(at));
    at += bytes;
    arrivals.push({ sequenceNumber, receivedAtUs: timeUs });
  }
  return {
    type: "transport_feedback",
    senderSsrc: view.getUint32(0),
    mediaSsrc: view.getUint32(4),
    feedbackCount: reference & 0xff,
    arrivals,
  };
}

/**
 * Fills `statuses` from the packet status chunks (§3.1.1–3.1.4) and returns their end; undefined if there are too few.
 */
function readStatuses(
  view: DataView,
  { from, statuses }: { from: number; statuses: Uint8Array },
): number | undefined {
  let at = from;
  let filled = 0;
  while (filled < statuses.length) {
    if (at + 2 > view.byteLength) return undefined;
    const chunk = view.getUint16(at);
    at += 2;
    if ((chunk & 0x8000) === 0) {
      const run = chunk & 0x1fff;
      statuses.fill(chunk >>> 13, filled, filled + run);
      filled += run;
      continue;
    }
    // The last chunk may have surplus symbols: writes past the end of a typed array have no effect.
    const bits = chunk & 0x4000 ? 2 : 1;
    for (let shift = 14 - bits; shift >= 0; shift -= bits) {
      statuses[filled++] = (chunk >>> shift) & (bits === 2 ? 3 : 1);
    }
  }
  return at;
}
