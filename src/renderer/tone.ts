import type { AudioChunk } from "../media/frame.ts";

const SAMPLE_RATE = 48_000;
const SECOND_US = 1_000_000;
const PITCH_HZ = 1_000;
/** A quarter of full scale: clear, but not startling after unmuting. */
const AMPLITUDE = 8_192;
/** Fade in and out of the beep, in samples, to avoid clicks. */
const RAMP_SAMPLES = 96;

/** The beep of the flash, at the beginning of each second of the timeline; otherwise silence. Mono, 48 kHz. */
export class Tone {
  readonly #beepUs: number;
  #nextSample: number | undefined;

  /** @param beepUs Length of the beep in microseconds. */
  constructor(beepUs: number) {
    this.#beepUs = beepUs;
  }

  /** The sound since the last call, up to `timestampUs`; the first call only sets the start. */
  until(timestampUs: number): AudioChunk | undefined {
    const end = Math.floor((timestampUs * SAMPLE_RATE) / SECOND_US);
    const start = this.#nextSample ?? end;
    this.#nextSample = Math.max(start, end);
    if (end <= start) return undefined;
    return {
      sampleRate: SAMPLE_RATE,
      channels: 1,
      samples: Int16Array.from({ length: end - start }, (_, index) => this.#sample(start + index)),
      timestampUs: (start * SECOND_US) / SAMPLE_RATE,
    };
  }

  #sample(index: number): number {
    const beepSamples = (this.#beepUs * SAMPLE_RATE) / SECOND_US;
    const inSecond = index % SAMPLE_RATE;
    if (inSecond >= beepSamples) return 0;
    const ramp = Math.min(1, inSecond / RAMP_SAMPLES, (beepSamples - inSecond) / RAMP_SAMPLES);
    return Math.round(
      AMPLITUDE * ramp * Math.sin((2 * Math.PI * PITCH_HZ * inSecond) / SAMPLE_RATE),
    );
  }
}
