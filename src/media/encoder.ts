import type { RawFrame } from "./frame.ts";

/** Video codecs that Pinhole sends. */
export const VIDEO_CODECS = ["h264", "vp8"] as const;
/** One of {@link VIDEO_CODECS}. */
export type VideoCodec = typeof VIDEO_CODECS[number];

/** One compressed picture. The receiver owns the bytes. */
export interface EncodedFrame {
  readonly codec: VideoCodec;
  /** H.264: one access unit in Annex B form, parameter sets before each keyframe. VP8: one frame. */
  readonly data: Uint8Array;
  readonly keyframe: boolean;
  /** Capture time on the session's timeline, in microseconds. */
  readonly timestampUs: number;
}

/** Settings of an encoder. */
export interface EncoderSettings {
  /** Pixels, even. */
  readonly width: number;
  /** Pixels, even. */
  readonly height: number;
  /** Frames per second; only a hint for the rate control. */
  readonly fps: number;
  /** The highest rate passed to {@link VideoEncoder.encode}. */
  readonly bitrateKbps: number;
  /** Whether pictures may be encoded smaller while the rate is too low for their full size. Default: true. */
  readonly adaptiveSize?: boolean;
}

/** Options for one picture. */
export interface EncodeOptions {
  readonly keyframe: boolean;
  /** The target rate from this picture on. */
  readonly kbps: number;
}

/**
 * One encoder of one session. While the rate is too low, pictures are encoded smaller with the same aspect ratio; each
 * change of size starts with a keyframe. It works off the event loop. `load` and `encode` may overlap (the next
 * picture is loaded while the last one is compressed), but neither may overlap itself.
 */
export interface VideoEncoder {
  readonly codec: VideoCodec;
  /** FFmpeg's name of the encoder, such as `libx264`. */
  readonly name: string;
  /**
   * Copies a picture, converted to the encoder's format and size. The frame's memory is no longer used when the
   * promise settles. Replaces a loaded picture that was not encoded.
   */
  load(frame: RawFrame): Promise<void>;
  /**
   * Loads the last picture again, with another timestamp.
   * @returns False if there is none.
   */
  reload(timestampUs: number): boolean;
  /**
   * Compresses the last loaded picture.
   * @returns `undefined` if the rate control skipped the picture.
   */
  encode(options: EncodeOptions): Promise<EncodedFrame | undefined>;
  /** Frees the encoder, after calls in progress. Idempotent. */
  close(): Promise<void>;
}

/** Opens encoders. */
export interface EncoderFactory {
  /** @throws When no encoder for the codec can be opened on this host. */
  open(codec: VideoCodec, settings: EncoderSettings): Promise<VideoEncoder>;
}
