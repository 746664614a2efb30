/**
 * If a chunk's timestamp differs from the end of the previous chunk by more than this, the timestamp is used. Below
 * that the chunks are joined, because renderers round timestamps and a sample clock drifts only slowly.
 */
const JUMP_US = 60_000;

/** Maps a stream of samples, in chunks of any length, to the session's timeline. Pure. */
export class AudioTimeline {
  readonly #sampleRate: number;
  #anchorUs: number | undefined;
  /** Samples received and sent since the anchor. */
  #samplesIn = 0;
  #samplesOut = 0;

  /** @param sampleRate Samples per second and channel of the stream. */
  constructor(sampleRate: number) {
    this.#sampleRate = sampleRate;
  }

  /**
   * Whether a chunk at `timestampUs` begins a new section, so that the rest of the old one has to be sent first. True
   * for the first chunk and after a gap; chunks with an early timestamp are joined.
   */
  isNewStretch(timestampUs: number): boolean {
    return this.#anchorUs === undefined || timestampUs - this.#timeOf(this.#samplesIn) > JUMP_US;
  }

  /** Begins a section at `timestampUs`, never earlier than the samples already sent. */
  begin(timestampUs: number): void {
    const earliestUs = this.#anchorUs === undefined
      ? Number.NEGATIVE_INFINITY
      : this.#timeOf(this.#samplesOut);
    this.#anchorUs = Math.max(timestampUs, earliestUs);
    this.#samplesIn = 0;
    this.#samplesOut = 0;
  }

  /** Counts samples in. */
  push(samples: number): void {
    this.#samplesIn += samples;
  }

  /** Counts samples out and returns the time of the first of them, in microseconds. */
  take(samples: number): number {
    const timestampUs = this.#timeOf(this.#samplesOut);
    this.#samplesOut += samples;
    return timestampUs;
  }

  #timeOf(samples: number): number {
    return (this.#anchorUs ?? 0) + (samples * 1_000_000) / this.#sampleRate;
  }
}
