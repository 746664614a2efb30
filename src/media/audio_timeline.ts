/**
 * A piece of sound whose time differs from where the last one ended by more than this is taken at its word; below, the
 * pieces are joined, since renderers round their timestamps and a sample clock drifts only slowly.
 */
const JUMP_US = 60_000;

/** Ties a stream of samples, cut into pieces of any length, to the session's timeline. Pure bookkeeping. */
export class AudioTimeline {
  readonly #sampleRate: number;
  #anchorUs: number | undefined;
  /** Samples since the anchor that came in, and that went out. */
  #samplesIn = 0;
  #samplesOut = 0;

  /** @param sampleRate Samples per second and channel of the stream. */
  constructor(sampleRate: number) {
    this.#sampleRate = sampleRate;
  }

  /**
   * Whether a piece at `timestampUs` begins a new stretch, so that what is left of the old one has to go first. It does
   * if it is the first one, or comes after a gap; sound that comes too early is joined on.
   */
  isNewStretch(timestampUs: number): boolean {
    return this.#anchorUs === undefined || timestampUs - this.#timeOf(this.#samplesIn) > JUMP_US;
  }

  /** Begins a stretch at `timestampUs`, never before what already went out. */
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
