import type { DataChunk, ForwardTsnChunk } from "./chunks.ts";
import { formatSack } from "./format.ts";
import {
  MESSAGE_BYTES_MAX,
  PIECE_COST_BYTES,
  RECEIVE_WINDOW_BYTES,
  SACK_DELAY_MS,
  SKIP_MAX,
} from "./limits.ts";
import { type DataFault, type IncomingMessage, Reassembly } from "./reassembly.ts";
import { ReceivedTsns } from "./received_tsns.ts";
import { isTsnAfter, tsnDistance, tsnPlus } from "./serial.ts";

/** Fault in the peer's data that ends the association. */
export type IncomingFault = DataFault | "no_user_data" | "window_exceeded" | "skips_too_far";

/** Why data was ignored; the peer may send it again. */
export type IncomingDrop = "outside_window" | "invalid_stream";

/**
 * How far the fragment that everything waits for may exceed the window: two of the longest messages. If it were
 * refused, it would be missing forever.
 */
const LAST_RESORT_BYTES = 2 * MESSAGE_BYTES_MAX;

/** The receiving half of an association: received data, complete messages, and acknowledgements. Pure. */
export class Incoming {
  readonly #tsns: ReceivedTsns;
  readonly #reassembly = new Reassembly();
  readonly #streams: number;
  /** Whether data arrived since the end of the last packet, and whether it needs an immediate SACK. */
  #came = false;
  #urgent = false;
  /** Packets with data since the last SACK. */
  #packets = 0;
  #sackAtMs: number | undefined;

  /** @param options.streams Number of streams that the peer may use. */
  constructor({ initialTsn, streams }: { initialTsn: number; streams: number }) {
    this.#tsns = new ReceivedTsns(initialTsn);
    this.#streams = streams;
  }

  /** All data up to this TSN was received. */
  get cumulativeTsn(): number {
    return this.#tsns.cumulative;
  }

  /** Bytes in memory, including objects. */
  get heldBytes(): number {
    return this.#reassembly.heldBytes;
  }

  /** When the next SACK is due; `undefined` if none is. */
  get sackAtMs(): number | undefined {
    return this.#sackAtMs;
  }

  /** Takes the messages that were completed since the last call. */
  takeMessages(): IncomingMessage[] {
    return this.#reassembly.takeMessages();
  }

  /** Takes the number of messages that were too long and dropped since the last call. */
  takeTooLong(): number {
    return this.#reassembly.takeTooLong();
  }

  /** Processes a fragment of a message. */
  data(chunk: DataChunk): { fault: IncomingFault } | { dropped: IncomingDrop } | undefined {
    const { tsn, payload } = chunk;
    // RFC 9260 §6.2: the only fault in a DATA chunk that must end the association.
    if (payload.length === 0) return { fault: "no_user_data" };
    this.#came = true;
    this.#urgent ||= chunk.immediate;
    const kind = this.#tsns.classify(tsn);
    if (kind !== "new") this.#urgent = true;
    if (kind === "duplicate") return undefined;
    if (kind === "far") return { dropped: "outside_window" };
    const heldBytes = this.heldBytes + payload.length + PIECE_COST_BYTES;
    if (heldBytes > RECEIVE_WINDOW_BYTES) {
      if (tsn !== tsnPlus(this.cumulativeTsn, 1)) return { dropped: "outside_window" };
      if (heldBytes > RECEIVE_WINDOW_BYTES + LAST_RESORT_BYTES) return { fault: "window_exceeded" };
    }
    const neighbours = {
      cameBefore: this.#tsns.classify(tsnPlus(tsn, -1)) === "duplicate",
      cameAfter: this.#tsns.classify(tsnPlus(tsn, 1)) === "duplicate",
    };
    this.#tsns.add(tsn);
    if (chunk.stream >= this.#streams) return { dropped: "invalid_stream" };
    const fault = this.#reassembly.add(chunk, neighbours);
    return fault && { fault };
  }

  /** The peer abandoned data that it could not deliver. */
  forwardTsn(chunk: ForwardTsnChunk): IncomingFault | undefined {
    this.#came = this.#urgent = true;
    const { cumulativeTsn, streams } = chunk;
    if (!isTsnAfter(cumulativeTsn, this.cumulativeTsn)) return undefined;
    if (tsnDistance(cumulativeTsn, this.cumulativeTsn) > SKIP_MAX) return "skips_too_far";
    this.#tsns.skipTo(cumulativeTsn);
    const known = streams.filter(({ stream }) => stream < this.#streams);
    return this.#reassembly.skip({ ...chunk, streams: known });
  }

  /** The peer reset its streams; empty: all of them. */
  resetStreams(streams: readonly number[]): void {
    this.#reassembly.resetStreams(streams);
  }

  /** Ends a packet (RFC 9260 §6.2: every second packet is acknowledged, and gaps at once). */
  endPacket(nowMs: number): void {
    if (!this.#came) return;
    this.#packets++;
    const atOnce = this.#urgent || this.#packets >= 2 || this.#tsns.hasGaps;
    this.#sackAtMs = atOnce ? nowMs : Math.min(this.#sackAtMs ?? Infinity, nowMs + SACK_DELAY_MS);
    this.#came = this.#urgent = false;
  }

  /** The SACK that is due, or can be bundled with data that is sent now; `undefined` if nothing was received. */
  takeSack(): Uint8Array | undefined {
    if (this.#sackAtMs === undefined) return undefined;
    this.#sackAtMs = undefined;
    this.#packets = 0;
    return formatSack({
      cumulativeTsn: this.cumulativeTsn,
      windowBytes: Math.max(0, RECEIVE_WINDOW_BYTES - this.heldBytes),
      gaps: this.#tsns.gaps,
    });
  }
}
