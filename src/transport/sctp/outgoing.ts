import type { ForwardTsnChunk, SackChunk } from "./chunks.ts";
import { CongestionWindow } from "./congestion_window.ts";
import { DATA_HEADER_BYTES, type OutgoingPiece } from "./format.ts";
import { PACKET_BYTES_MAX, RETRANSMISSIONS_MAX, SENT_CHUNKS_MAX } from "./limits.ts";
import { RoundTrip } from "./round_trip.ts";
import { MessageQueue, type OutgoingMessage, type QueuedMessage } from "./message_queue.ts";
import { tsnDistance, tsnPlus } from "./serial.ts";

/** Missing reports until a fragment counts as lost (RFC 9260 §7.2.4). */
const MISSING_REPORTS = 3;

/** Maximum fragments that one FORWARD-TSN abandons: each may add a stream, and the chunk must fit into a packet. */
const SKIPPED_PIECES_MAX = 128;

/** A sent fragment that is not cumulatively acknowledged. */
interface SentPiece {
  readonly piece: OutgoingPiece;
  readonly message: QueuedMessage;
  sentAtMs: number;
  transmissions: number;
  /** `flight`: in flight. `lost`: to be retransmitted. `acked`: by a gap block. `abandoned`: given up. */
  state: "flight" | "lost" | "acked" | "abandoned";
  missing: number;
  /** Whether it was fast-retransmitted, which happens once (RFC 9260 §7.2.4). */
  fastRetransmitted: boolean;
}

/** Result of a SACK. */
export type SackVerdict = "taken" | "old" | "beyond_sent";

/**
 * The sending half of an association: queued messages, fragments in flight, congestion and flow control, and
 * retransmission (RFC 9260 §6, §7). Pure.
 */
export class Outgoing {
  readonly #queue = new MessageQueue();
  readonly #congestion = new CongestionWindow();
  readonly #roundTrip = new RoundTrip();
  readonly #canSkip: boolean;
  /** By TSN without gaps, starting after the cumulative TSN. */
  #sent: SentPiece[] = [];
  #cumulative: number;
  #nextTsn: number;
  #flightBytes = 0;
  #windowBytes: number;
  #lostCount = 0;
  /** Lost fragments have at least this index. */
  #lostFrom = 0;
  /** Bytes that may be retransmitted regardless of the window: one packet per recovery. */
  #fastBytes = 0;
  /** Until this TSN is acknowledged, further losses belong to the same event. */
  #recoveryTsn: number | undefined;
  #timeoutAtMs: number | undefined;
  /** Timeouts since the last acknowledgement. */
  #failures = 0;
  #skipDue = false;

  constructor(options: { initialTsn: number; windowBytes: number; canSkip: boolean }) {
    this.#nextTsn = options.initialTsn;
    this.#cumulative = tsnPlus(options.initialTsn, -1);
    this.#windowBytes = options.windowBytes;
    this.#canSkip = options.canSkip;
  }

  /** Messages that are not completely sent, and their bytes. */
  get waiting(): { readonly messages: number; readonly bytes: number } {
    return { messages: this.#queue.size, bytes: this.#queue.bytes };
  }

  /** The highest assigned TSN. */
  get lastTsn(): number {
    return tsnPlus(this.#nextTsn, -1);
  }

  /** When {@link timeout} has to be called; `undefined` if nothing is in flight. */
  get timeoutAtMs(): number | undefined {
    return this.#timeoutAtMs;
  }

  /** Timeout for other retransmissions, in milliseconds. */
  get retransmitMs(): number {
    return this.#roundTrip.timeoutMs;
  }

  /** Appends a message. */
  add(message: OutgoingMessage): void {
    this.#queue.add(message);
  }

  /** Whether a stream has queued messages. */
  hasWaiting(stream: number): boolean {
    return this.#queue.hasStream(stream);
  }

  /** Restarts a stream at SSN 0. */
  resetStream(stream: number): void {
    this.#queue.resetStream(stream);
  }

  /**
   * The next fragment for a packet; `undefined` if there is none, or none that fits.
   * @param packet.isEmpty A message is only fragmented at the beginning of a packet.
   */
  next(
    packet: { readonly roomBytes: number; readonly isEmpty: boolean },
    nowMs: number,
  ): OutgoingPiece | undefined {
    const roomBytes = packet.roomBytes - DATA_HEADER_BYTES;
    const lost = this.#nextLost();
    const sent = lost === undefined
      ? this.#cutNext(roomBytes, packet.isEmpty, nowMs)
      : this.#takeLost(lost, roomBytes);
    if (sent === undefined) return undefined;
    sent.state = "flight";
    sent.sentAtMs = nowMs;
    sent.transmissions++;
    sent.missing = 0;
    this.#flightBytes += sent.piece.payload.length;
    this.#windowBytes = Math.max(0, this.#windowBytes - sent.piece.payload.length);
    this.#timeoutAtMs ??= nowMs + this.#roundTrip.timeoutMs;
    return sent.piece;
  }

  /** Processes a SACK, or the cumulative TSN of a SHUTDOWN as a SACK without gaps. */
  sack({ cumulativeTsn, windowBytes, gaps }: Omit<SackChunk, "kind">, nowMs: number): SackVerdict {
    const steps = tsnDistance(cumulativeTsn, this.#cumulative);
    // A distance of half the number space or more is backwards.
    if (steps >= 2 ** 31) return "old";
    if (steps + (gaps.at(-1)?.[1] ?? 0) > this.#sent.length) return "beyond_sent";
    const flightBytes = this.#flightBytes;
    const ackedBytes = this.#ackCumulative(steps, nowMs);
    const { bytes: gapBytes, highest } = this.#ackGaps(gaps);
    if (this.#hasPassed(this.#recoveryTsn)) this.#recoveryTsn = undefined;
    this.#countMissing(highest, nowMs);
    if (steps > 0 && this.#recoveryTsn === undefined) {
      this.#congestion.acked({ bytes: ackedBytes + gapBytes, flightBytes });
    }
    this.#windowBytes = Math.max(0, windowBytes - this.#flightBytes);
    // Acknowledgements with a zero window show that the peer is alive (RFC 9260 §6.1).
    if (steps > 0 || gapBytes > 0 || windowBytes === 0) this.#failures = 0;
    this.#skipAbandoned();
    if (this.#sent.length === 0) this.#timeoutAtMs = undefined;
    else if (steps > 0) this.#timeoutAtMs = nowMs + this.#roundTrip.timeoutMs;
    return "taken";
  }

  /** The retransmission timer expired (RFC 9260 §6.3.3). @returns `false` if the peer is considered gone. */
  timeout(nowMs: number): boolean {
    if (++this.#failures > RETRANSMISSIONS_MAX) return false;
    this.#roundTrip.backOff();
    this.#congestion.timedOut();
    this.#recoveryTsn = undefined;
    for (const [index, sent] of this.#sent.entries()) {
      if (sent.state === "flight") this.#lose(sent, index, nowMs);
    }
    this.#skipAbandoned();
    this.#timeoutAtMs = nowMs + this.#roundTrip.timeoutMs;
    return true;
  }

  /** The FORWARD-TSN that is due (RFC 3758 §3.5). */
  takeSkip(): Omit<ForwardTsnChunk, "kind"> | undefined {
    if (!this.#skipDue) return undefined;
    this.#skipDue = false;
    const end = this.#sent.findIndex(({ state }) => state !== "abandoned");
    const skipped = this.#sent.slice(0, Math.min(end < 0 ? Infinity : end, SKIPPED_PIECES_MAX));
    const ordered = skipped.filter(({ piece }) => !piece.unordered)
      .map(({ piece }) => [piece.stream, piece.ssn] as const);
    const streams = [...new Map(ordered)].map(([stream, ssn]) => ({ stream, ssn }));
    return { cumulativeTsn: tsnPlus(this.#cumulative, skipped.length), streams };
  }

  /** Drops everything queued or in flight. */
  clear(): void {
    this.#queue.clear();
    this.#sent = [];
    this.#flightBytes = this.#lostCount = 0;
    this.#timeoutAtMs = undefined;
    this.#skipDue = false;
  }

  #nextLost(): SentPiece | undefined {
    if (this.#lostCount === 0) return undefined;
    for (; this.#lostFrom < this.#sent.length; this.#lostFrom++) {
      const sent = this.#sent[this.#lostFrom];
      if (sent?.state === "lost") return sent;
    }
    return undefined;
  }

  #takeLost(sent: SentPiece, roomBytes: number): SentPiece | undefined {
    const { length } = sent.piece.payload;
    if (length > roomBytes) return undefined;
    const fits = this.#flightBytes === 0 || this.#flightBytes + length <= this.#congestion.bytes;
    if (!fits && this.#fastBytes < length) return undefined;
    this.#fastBytes = Math.max(0, this.#fastBytes - length);
    this.#lostCount--;
    return sent;
  }

  #cutNext(roomBytes: number, isEmpty: boolean, nowMs: number): SentPiece | undefined {
    const message = this.#firstWaiting(nowMs);
    if (message === undefined || roomBytes <= 0 || this.#sent.length >= SENT_CHUNKS_MAX) {
      return undefined;
    }
    const left = message.data.length - message.offset;
    if (left > roomBytes && !isEmpty) return undefined;
    const bytes = Math.min(left, roomBytes);
    // With nothing in flight, one fragment may always be sent, as a probe of a zero window.
    const fits = this.#flightBytes + bytes <= this.#congestion.bytes && bytes <= this.#windowBytes;
    if (!fits && this.#flightBytes > 0) return undefined;
    const piece = this.#queue.cut(message, { bytes, tsn: this.#nextTsn });
    this.#nextTsn = tsnPlus(this.#nextTsn, 1);
    const sent: SentPiece = {
      ...{ piece, message, sentAtMs: nowMs, transmissions: 0, state: "flight", missing: 0 },
      fastRetransmitted: false,
    };
    this.#sent.push(sent);
    return sent;
  }

  /** The next message; drops messages that expired before any part was sent. */
  #firstWaiting(nowMs: number): QueuedMessage | undefined {
    for (let { first } = this.#queue; first !== undefined; first = this.#queue.first) {
      if (first.offset > 0 || first.expiresAtMs === undefined || nowMs <= first.expiresAtMs) {
        return first;
      }
      this.#queue.remove(first);
    }
    return undefined;
  }

  #ackCumulative(steps: number, nowMs: number): number {
    let bytes = 0;
    let roundTripMs: number | undefined;
    for (const sent of this.#sent.splice(0, steps)) {
      const { state, transmissions, sentAtMs } = sent;
      if (state === "flight" || state === "lost") bytes += sent.piece.payload.length;
      if (state === "flight" && transmissions === 1) roundTripMs = nowMs - sentAtMs;
      this.#settle(sent, "acked");
    }
    if (roundTripMs !== undefined) this.#roundTrip.measure(roundTripMs);
    else if (steps > 0) this.#roundTrip.recover();
    this.#cumulative = tsnPlus(this.#cumulative, steps);
    this.#lostFrom = Math.max(0, this.#lostFrom - steps);
    return bytes;
  }

  /** @returns Newly acknowledged bytes, and the highest index of those. */
  #ackGaps(gaps: SackChunk["gaps"]): { bytes: number; highest: number } {
    let [bytes, highest, gap] = [0, -1, 0];
    for (const [index, sent] of this.#sent.entries()) {
      while (index + 1 > (gaps[gap]?.[1] ?? Infinity)) gap++;
      const isAcked = index + 1 >= (gaps[gap]?.[0] ?? Infinity);
      if (isAcked && (sent.state === "flight" || sent.state === "lost")) {
        bytes += sent.piece.payload.length;
        highest = index;
        this.#settle(sent, "acked");
      } else if (!isAcked && sent.state === "acked") {
        // The receiver reneged on it (RFC 9260 §6.2.1).
        this.#markLost(sent, index);
      }
    }
    return { bytes, highest };
  }

  /** Counts a missing report for fragments before the newly acknowledged one (RFC 9260 §7.2.4). */
  #countMissing(highest: number, nowMs: number): void {
    let lost = false;
    for (let index = 0; index < highest; index++) {
      const sent = this.#sent[index];
      if (sent?.state !== "flight" || ++sent.missing < MISSING_REPORTS) continue;
      if (sent.fastRetransmitted) continue;
      sent.fastRetransmitted = true;
      this.#lose(sent, index, nowMs);
      lost = true;
    }
    if (!lost || this.#recoveryTsn !== undefined) return;
    this.#congestion.lost();
    this.#recoveryTsn = this.lastTsn;
    this.#fastBytes = PACKET_BYTES_MAX;
  }

  #hasPassed(tsn: number | undefined): boolean {
    return tsn !== undefined && tsnDistance(this.#cumulative, tsn) < 2 ** 31;
  }

  /** A fragment is lost; abandons its message if its reliability limits say so. */
  #lose(sent: SentPiece, index: number, nowMs: number): void {
    const { message } = sent;
    const isOver = sent.transmissions > (message.retransmissionsMax ?? Infinity) ||
      nowMs > (message.expiresAtMs ?? Infinity);
    if (this.#canSkip && isOver) this.#abandon(message);
    else this.#markLost(sent, index);
  }

  #markLost(sent: SentPiece, index: number): void {
    this.#settle(sent, "lost");
    this.#lostCount++;
    this.#lostFrom = Math.min(this.#lostFrom, index);
  }

  #abandon(message: QueuedMessage): void {
    message.abandoned = true;
    this.#queue.remove(message);
    for (const sent of this.#sent) if (sent.message === message) this.#settle(sent, "abandoned");
  }

  #skipAbandoned(): void {
    if (this.#sent[0]?.state === "abandoned") this.#skipDue = true;
  }

  /** Sets the state of a fragment to one other than `flight`. */
  #settle(sent: SentPiece, state: "lost" | "acked" | "abandoned"): void {
    if (sent.state === "flight") this.#flightBytes -= sent.piece.payload.length;
    if (sent.state === "lost") this.#lostCount--;
    sent.state = state;
  }
}
