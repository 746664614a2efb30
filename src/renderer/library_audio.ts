import type { AudioChunk } from "../media/frame.ts";
import { RendererError } from "./renderer_error.ts";

/** The byte order of every architecture that Deno supports. */
const LITTLE_ENDIAN = true;

/** `pinhole_audio_chunk` of native/include/pinhole.h. */
const CHUNK_BYTES = 32;
const OFFSET = {
  sampleRate: 4,
  channels: 8,
  sampleCount: 12,
  timestampUs: 16,
  samples: 24,
} as const;

const SAMPLE_RATE_MIN = 8_000;
const SAMPLE_RATE_MAX = 48_000;

/** Maximum sound per call, in seconds: far more than any renderer lags behind. */
const SECONDS_MAX = 2;

/** If sound without a timestamp would end this long before now, in microseconds, there was a gap. */
const GAP_US = 200_000;

/** The `pinhole_audio_chunk` of one session, and a reader that validates what the library wrote. */
export class LibraryAudio {
  /** The structure; C writes it. */
  readonly bytes: Uint8Array<ArrayBuffer> = new Uint8Array(CHUNK_BYTES);
  readonly #fields: DataView = new DataView(this.bytes.buffer);
  readonly #libraryName: string;
  /** Start of the next chunk if it has no timestamp. */
  #nextUs = 0;

  /** @param libraryName For messages. */
  constructor(libraryName: string) {
    this.#libraryName = libraryName;
  }

  /** Resets the structure for a call. */
  clear(): void {
    this.bytes.fill(0);
    this.#fields.setUint32(0, CHUNK_BYTES, LITTLE_ENDIAN);
  }

  /**
   * Validates and copies the sound.
   * @param requestedUs The requested time, which is the end of sound without a timestamp.
   * @returns `undefined` if there is none.
   * @throws {RendererError} `bad_audio`
   */
  read(requestedUs: number): AudioChunk | undefined {
    const sampleCount = this.#fields.getUint32(OFFSET.sampleCount, LITTLE_ENDIAN);
    if (sampleCount === 0) return undefined;
    const sampleRate = this.#fields.getUint32(OFFSET.sampleRate, LITTLE_ENDIAN);
    const channels = this.#fields.getUint32(OFFSET.channels, LITTLE_ENDIAN);
    if (sampleRate < SAMPLE_RATE_MIN || sampleRate > SAMPLE_RATE_MAX) {
      throw this.#bad(
        `its sample rate is ${sampleRate}, not ${SAMPLE_RATE_MIN} to ${SAMPLE_RATE_MAX}`,
      );
    }
    if (channels !== 1 && channels !== 2) {
      throw this.#bad(`it has ${channels} channels, not 1 or 2`);
    }
    if (sampleCount > sampleRate * SECONDS_MAX) {
      throw this.#bad(`it has ${sampleCount} samples at once, more than ${SECONDS_MAX} s`);
    }
    const address = this.#fields.getBigUint64(OFFSET.samples, LITTLE_ENDIAN);
    const pointer = Deno.UnsafePointer.create(address);
    if (pointer === null) throw this.#bad("its samples are null");
    const samples = new Int16Array(sampleCount * channels);
    Deno.UnsafePointerView.copyInto(pointer, samples);
    const givenUs = Number(this.#fields.getBigInt64(OFFSET.timestampUs, LITTLE_ENDIAN));
    const durationUs = (sampleCount * 1_000_000) / sampleRate;
    const afterGap = this.#nextUs + durationUs < requestedUs - GAP_US;
    const impliedUs = afterGap ? requestedUs - durationUs : this.#nextUs;
    const timestampUs = givenUs > 0 ? givenUs : impliedUs;
    this.#nextUs = timestampUs + durationUs;
    return { sampleRate, channels, samples, timestampUs };
  }

  #bad(why: string): RendererError {
    return new RendererError("bad_audio", `Cannot use sound of ${this.#libraryName}: ${why}`);
  }
}
