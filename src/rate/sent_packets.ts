import { extendSequenceNumber } from "../base/sequence_numbers.ts";
import type { PacketFate } from "./path_gauge.ts";
import type { TransportFeedback } from "./transport_feedback.ts";

/** Packets kept: one second at 40 Mbit/s, and far more than a tunnel queues (1024). */
const PACKETS_MAX = 4096;

/**
 * Reference times count 64 ms in 24 bits, and wrap after twelve days
 * (draft-holmer-rmcat-transport-wide-cc-extensions-01 §3.1).
 */
const CLOCK_PERIOD_US = 2 ** 24 * 64_000;

/** Transport-wide sequence numbers of one viewer's packets, and their results. */
export class SentPackets {
  readonly #sentAtMs = new Float64Array(PACKETS_MAX);
  readonly #videoBytes = new Uint16Array(PACKETS_MAX);
  /** 1 for packets that the viewer has not acknowledged. */
  readonly #isOpen = new Uint8Array(PACKETS_MAX);
  /** Number of the next packet, without wrapping. */
  #next = 0;
  /** The viewer has reported all packets before this one. */
  #told = 0;
  /** The viewer's clock, without wrapping and never below zero. */
  #clockUs = CLOCK_PERIOD_US;

  /** Records a packet that is sent now. @returns Its number, of which the low 16 bits are sent. */
  add(videoBytes: number, nowMs: number): number {
    const number = this.#next++;
    const at = number % PACKETS_MAX;
    this.#sentAtMs[at] = nowMs;
    this.#videoBytes[at] = videoBytes;
    this.#isOpen[at] = 1;
    this.#told = Math.max(this.#told, this.#next - PACKETS_MAX);
    return number;
  }

  /** When the oldest unreported packet was sent; `undefined` if all were reported. */
  get waitingSinceMs(): number | undefined {
    return this.#told === this.#next ? undefined : this.#sentAtMs[this.#told % PACKETS_MAX];
  }

  /** Bytes of video that were sent after the newest reported packet. */
  get unreportedBytes(): number {
    let bytes = 0;
    for (let number = this.#told; number < this.#next; number++) {
      bytes += this.#videoBytes[number % PACKETS_MAX] ?? 0;
    }
    return bytes;
  }

  /** The path changed: discards packets of the previous one, which the viewer may still report. */
  forget(): void {
    this.#told = this.#next;
    this.#isOpen.fill(0);
  }

  /**
   * Processes a report.
   * @returns The results of the reported packets, each arrival once; packets that were never sent are omitted.
   */
  settle({ arrivals }: TransportFeedback): PacketFate[] {
    const fates: PacketFate[] = [];
    for (const { sequenceNumber, receivedAtUs } of arrivals) {
      const number = extendSequenceNumber(sequenceNumber, this.#next - 1);
      if (number < 0 || number >= this.#next || number < this.#next - PACKETS_MAX) continue;
      const at = number % PACKETS_MAX;
      const isNew = number >= this.#told;
      this.#told = Math.max(this.#told, number + 1);
      // A retransmitted packet keeps its number; its loss has been reported already.
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
