import { extendSequenceNumber } from "../base/sequence_numbers.ts";
import type { PacketFate } from "./path_gauge.ts";
import type { TransportFeedback } from "./transport_feedback.ts";

/** Packets that are remembered: a second at 40 Mbit/s, and far more than a tunnel queues (1024). */
const PACKETS_MAX = 4096;

/**
 * Reference times count 64 ms in 24 bits, and begin anew after twelve days
 * (draft-holmer-rmcat-transport-wide-cc-extensions-01 §3.1).
 */
const CLOCK_PERIOD_US = 2 ** 24 * 64_000;

/** Transport-wide numbers of one viewer's packets, and what became of them. */
export class SentPackets {
  readonly #sentAtMs = new Float64Array(PACKETS_MAX);
  readonly #videoBytes = new Uint16Array(PACKETS_MAX);
  /** 1 for packets that the viewer has not said to have. */
  readonly #isOpen = new Uint8Array(PACKETS_MAX);
  /** Number of the next packet, without wrapping. */
  #next = 0;
  /** Up to here, exclusive, the viewer has told of all packets. */
  #told = 0;
  /** The viewer's clock, without wrapping and never below zero. */
  #clockUs = CLOCK_PERIOD_US;

  /** Notes a packet that leaves now. @returns Its number: the low 16 bits are sent. */
  add(videoBytes: number, nowMs: number): number {
    const number = this.#next++;
    const at = number % PACKETS_MAX;
    this.#sentAtMs[at] = nowMs;
    this.#videoBytes[at] = videoBytes;
    this.#isOpen[at] = 1;
    this.#told = Math.max(this.#told, this.#next - PACKETS_MAX);
    return number;
  }

  /** When the oldest packet left that the viewer has not told of; `undefined` when it has told of all. */
  get waitingSinceMs(): number | undefined {
    return this.#told === this.#next ? undefined : this.#sentAtMs[this.#told % PACKETS_MAX];
  }

  /** The way is another one: how the former one was says nothing, though the viewer may still tell of it. */
  forget(): void {
    this.#told = this.#next;
    this.#isOpen.fill(0);
  }

  /**
   * Takes a report.
   * @returns How the packets that it tells of fared, each that arrived once; packets that were never sent are left out.
   */
  settle({ arrivals }: TransportFeedback): PacketFate[] {
    const fates: PacketFate[] = [];
    for (const { sequenceNumber, receivedAtUs } of arrivals) {
      const number = extendSequenceNumber(sequenceNumber, this.#next - 1);
      if (number < 0 || number >= this.#next || number < this.#next - PACKETS_MAX) continue;
      const at = number % PACKETS_MAX;
      const isNew = number >= this.#told;
      this.#told = Math.max(this.#told, number + 1);
      // A packet that is sent again keeps its number; that it was missing has been told already.
      if (this.#isOpen[at] === 0 || (receivedAtUs === undefined && !isNew)) continue;
      if (receivedAtUs !== undefined) this.#isOpen[at] = 0;
      fates.push({
        sentAtMs: this.#sentAtMs[at] ?? 0,
        receivedAtMs: receivedAtUs === undefined ? undefined : this.#unwrap(receivedAtUs) / 1000,
        videoBytes: this.#videoBytes[at] ?? 0,
      });
    }
    return fates;
  }

  #unwrap(timeUs: number): number {
    const periods = Math.round((this.#clockUs - timeUs) / CLOCK_PERIOD_US);
    this.#clockUs = timeUs + periods * CLOCK_PERIOD_US;
    return this.#clockUs;
  }
}
