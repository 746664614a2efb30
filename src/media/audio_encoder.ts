import type { AudioChunk } from "./frame.ts";

/** Opus' own rate: its RTP timestamps count at 48 kHz whatever the sound's rate is (RFC 7587 §4.1). */
export const OPUS_SAMPLE_RATE = 48_000;

/** Samples of one packet for each channel: 20 ms. */
export const OPUS_PACKET_SAMPLES = 960;

/** One Opus packet. The bytes are a copy that belongs to whoever receives it. */
export interface EncodedAudio {
  readonly data: Uint8Array;
  /** Time of the first sample on the session's timeline, in microseconds. */
  readonly timestampUs: number;
  /** The first packet after silence (RFC 7587 §4.1: carries the marker bit). */
  readonly startsTalkspurt: boolean;
}

/** The sound of one session. Calls do not overlap. */
export interface AudioEncoder {
  /**
   * Takes the next piece of sound, of any rate; silence gives fewer packets (discontinuous transmission).
   * @returns Packets of 20 ms, as many as have become whole.
   * @throws When the encoder broke.
   */
  encode(chunk: AudioChunk): Promise<EncodedAudio[]>;
  /** Frees the encoder, after a call that is under way. Idempotent. */
  close(): Promise<void>;
}
