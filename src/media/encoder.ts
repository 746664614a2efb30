import type { RawFrame } from "./frame.ts";

/** Video codecs that Pinhole sends. */
export const VIDEO_CODECS = ["h264", "vp8"] as const;
/** One of {@link VIDEO_CODECS}. */
export type VideoCodec = typeof VIDEO_CODECS[number];

/** One compressed picture. The bytes are a copy that belongs to whoever receives it. */
export interface EncodedFrame {
  readonly codec: VideoCodec;
  /** H.264: one access unit in Annex B form, parameter sets before each keyframe. VP8: one frame. */
  readonly data: Uint8Array;
  readonly keyframe: boolean;
  /** Capture time on the session's timeline, in microseconds. */
  readonly timestampUs: number;
}

/** What an encoder is opened for. */
export interface EncoderSettings {
  /** Pixels, even. */
  readonly width: number;
  /** Pixels, even. */
  readonly height: number;
  /** Frames per second; only a hint for the rate control. */
  readonly fps: number;
  /** The highest rate that {@link VideoEncoder.encode} will be asked for. */
  readonly bitrateKbps: number;
  /** Whether pictures may be made smaller while bits are too few for whole ones. Default: yes. */
  readonly adaptiveSize?: boolean;
}

/** How one picture is compressed. */
export interface EncodeOptions {
  readonly keyframe: boolean;
  /** The target rate from this picture on. */
  readonly kbps: number;
}

/**
 * One encoder of one session. While the rate is too low for its size, pictures are encoded smaller, with their aspect
 * kept; each change of size begins with a keyframe. Its work runs off the event loop. `load` and `encode` may overlap (the
 * next picture is taken while the last one is compressed), but neither overlaps itself.
 */
export interface VideoEncoder {
  readonly codec: VideoCodec;
  /** FFmpeg's name of the encoder, such as `libx264`. */
  readonly name: string;
  /**
   * Copies a picture in, converted to the encoder's own format and size. When the promise settles the frame's memory
   * is not used any more. A picture that was loaded and not encoded is replaced.
   */
  load(frame: RawFrame): Promise<void>;
  /**
   * Makes the last picture the loaded one once more, at another time.
   * @returns False when there is none.
   */
  reload(timestampUs: number): boolean;
  /**
   * Compresses the picture that was loaded last.
   * @returns `undefined` when the rate control skipped the picture.
   */
  encode(options: EncodeOptions): Promise<EncodedFrame | undefined>;
  /** Frees the encoder, after calls that are under way. Idempotent. */
  close(): Promise<void>;
}

/** Opens encoders. */
export interface EncoderFactory {
  /** @throws When no encoder for the codec can be opened on this host. */
  open(codec: VideoCodec, settings: EncoderSettings): Promise<VideoEncoder>;
}
