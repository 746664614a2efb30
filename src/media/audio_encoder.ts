import type { AudioChunk } from "./frame.ts";

/** The clock rate of Opus in RTP, 48 kHz at every sample rate of the sound (RFC 7587 §4.1). */
export const OPUS_SAMPLE_RATE = 48_000;

/** Samples per channel in one packet: 20 ms. */
export const OPUS_PACKET_SAMPLES = 960;

/** One Opus packet. The receiver owns the bytes. */
export interface EncodedAudio {
  readonly data: Uint8Array;
  /** Time of the first sample on the session's timeline, in microseconds. */
  readonly timestampUs: number;
  /** The first packet after silence (RFC 7587 §4.1: carries the marker bit). */
  readonly startsTalkspurt: boolean;
}

/** Encodes the sound of one session. Calls must not overlap. */
export interface AudioEncoder {
  /**
   * Encodes the next chunk, of any sample rate; silence yields fewer packets (discontinuous transmission).
   * @returns The packets of 20 ms that are complete.
   * @throws When the encoder failed.
   */
  encode(chunk: AudioChunk): Promise<EncodedAudio[]>;
  /** Frees the encoder, after a call in progress. Idempotent. */
  close(): Promise<void>;
}
