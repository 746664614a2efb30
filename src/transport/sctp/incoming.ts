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

/** What the other side did with its data that ends the association. */
export type IncomingFault = DataFault | "no_user_data" | "window_exceeded" | "skips_too_far";

/** Why data was left to come again, or was passed over. */
export type IncomingDrop = "outside_window" | "invalid_stream";

/**
 * How much beyond the window the one piece may take that everything waits for: two of the longest messages. Refused, it
 * would be missing for ever; and where it frees nothing, what waits does so for nothing.
 */
const LAST_RESORT_BYTES = 2 * MESSAGE_BYTES_MAX;

/** The receiving half of an association: which data came, what is whole, and when to acknowledge. Pure. */
export class Incoming {
  readonly #tsns: ReceivedTsns;
  readonly #reassembly = new Reassembly();
  readonly #streams: number;
  /** Something came since the last packet's end; something that wants an answer at once. */
  #came = false;
  #urgent = false;
  /** Packets with data since the last SACK. */
  #packets = 0;
  #sackAtMs: number | undefined;

  /** @param options.streams How many streams the other side may use. */
  constructor({ initialTsn, streams }: { initialTsn: number; streams: number }) {
    this.#tsns = new ReceivedTsns(initialTsn);
    this.#streams = streams;
  }

  /** All data up to this TSN has come. */
  get cumulativeTsn(): number {
    return this.#tsns.cumulative;
  }

  /** Bytes that are kept, objects included. */
  get heldBytes(): number {
    return this.#reassembly.heldBytes;
  }

  /** When the next SACK has to leave; `undefined` while none is due. */
  get sackAtMs(): number | undefined {
    return this.#sackAtMs;
  }

  /** Messages that are whole since the last call. */
  takeMessages(): IncomingMessage[] {
    return this.#reassembly.takeMessages();
  }

  /** How many messages were too long, and dropped, since the last call. */
  takeTooLong(): number {
    return this.#reassembly.takeTooLong();
  }

  /** Takes a piece of a message. */
  data(chunk: DataChunk): { fault: IncomingFault } | { dropped: IncomingDrop } | undefined {
    const { tsn, payload } = chunk;
    // RFC 9260 §6.2: the one mistake in a DATA chunk that has to end the association.
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

  /** The other side gives up what it could not deliver. */
  forwardTsn(chunk: ForwardTsnChunk): IncomingFault | undefined {
    this.#came = this.#urgent = true;
    const { cumulativeTsn, streams } = chunk;
    if (!isTsnAfter(cumulativeTsn, this.cumulativeTsn)) return undefined;
    if (tsnDistance(cumulativeTsn, this.cumulativeTsn) > SKIP_MAX) return "skips_too_far";
    this.#tsns.skipTo(cumulativeTsn);
    const known = streams.filter(({ stream }) => stream < this.#streams);
    return this.#reassembly.skip({ ...chunk, streams: known });
  }

  /** The other side's streams begin anew; all of them where none is named. */
  resetStreams(streams: readonly number[]): void {
    this.#reassembly.resetStreams(streams);
  }

  /** A packet is read to its end (RFC 9260 §6.2: every second packet is acknowledged, and gaps at once). */
  endPacket(nowMs: number): void {
    if (!this.#came) return;
    this.#packets++;
    const atOnce = this.#urgent || this.#packets >= 2 || this.#tsns.hasGaps;
    this.#sackAtMs = atOnce ? nowMs : Math.min(this.#sackAtMs ?? Infinity, nowMs + SACK_DELAY_MS);
    this.#came = this.#urgent = false;
  }

  /** The SACK that is due, or that may go with data that leaves now; `undefined` when nothing came. */
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
