/** Pixel formats of a {@link RawFrame}. */
export const PIXEL_FORMATS = ["i420", "nv12", "rgba", "bgra", "rgb24", "bgr24"] as const;
/** One of {@link PIXEL_FORMATS}. */
export type PixelFormat = typeof PIXEL_FORMATS[number];

/** One plane of an image. */
export interface Plane {
  /** At least `strideBytes` × rows bytes (the last row may end at its last pixel). Not owned: see {@link RawFrame}. */
  readonly data: Uint8Array;
  /** Distance between the first bytes of two rows, in bytes; at least the row's own length. */
  readonly strideBytes: number;
}

/**
 * One uncompressed picture.
 *
 * Planes by format: i420 has Y (height × width), U and V (height/2 × width/2 each); nv12 has Y and interleaved UV
 * (height/2 × width bytes); the rgb kinds have one plane, height × width × 3 or 4 bytes, row-major. Width and height
 * are even.
 *
 * The memory belongs to the source of the frame. It stays valid until the next `render` or `close` of that source;
 * copy it to keep it longer.
 */
export interface RawFrame {
  readonly kind: "raw";
  readonly format: PixelFormat;
  /** Pixels, even. */
  readonly width: number;
  /** Pixels, even. */
  readonly height: number;
  readonly planes: readonly Plane[];
  /** Capture time on the session's timeline, in microseconds. */
  readonly timestampUs: number;
}

/** One H.264 access unit from a renderer that encodes. The memory rules are those of {@link RawFrame}. */
export interface EncodedSourceFrame {
  readonly kind: "h264";
  /** Annex B, no B-frames. */
  readonly data: Uint8Array;
  /** Whether it can be decoded without earlier ones. */
  readonly keyframe: boolean;
  /** Capture time on the session's timeline, in microseconds. */
  readonly timestampUs: number;
}

/** A frame of a source. */
export type SourceFrame = RawFrame | EncodedSourceFrame;

/** Result of {@link FrameSource.render}. */
export type RenderResult =
  | { readonly status: "frame"; readonly frame: SourceFrame }
  /** The previous picture is still current. */
  | { readonly status: "unchanged" }
  /** There is no picture: viewers see the idle picture. */
  | { readonly status: "idle" }
  /** The stream has ended. */
  | { readonly status: "end" }
  /** The stream has ended because the source can never work. The source has logged the reason. */
  | { readonly status: "failed" };

/** A chunk of sound. The receiver owns the samples. */
export interface AudioChunk {
  /** Samples per second and channel, 8000–48000. */
  readonly sampleRate: number;
  readonly channels: 1 | 2;
  /** 16-bit signed; two channels are interleaved. */
  readonly samples: Int16Array;
  /** The first sample's time on the session's timeline, in microseconds. */
  readonly timestampUs: number;
}

/** Why a source refused a message: it has no reader, its reader is too slow, or the message is too long. */
export type MessageRefusal = "no_writer" | "not_read" | "too_long" | "too_many";

/** Why a source has no picture: no process is connected that supplies them, or it has not supplied any yet. */
export type IdleReason = "no_writer" | "silent_writer";

/** The source of one session's frames. Calls of one source never overlap. */
export interface FrameSource {
  /**
   * Waits for the picture of `timestampUs` (microseconds since the session began, never decreasing).
   * @throws When the source failed; the session decides what its viewers see then.
   */
  render(timestampUs: number): Promise<RenderResult>;
  /**
   * The sound since the last call, up to `timestampUs`; `undefined` if there is none. Missing for sources without
   * sound.
   * @throws When the source failed.
   */
  audio?(timestampUs: number): Promise<AudioChunk | undefined>;
  /**
   * Sends bytes from a viewer (UTF-8 text or binary), which are copied. Missing for sources that accept no messages.
   * @returns Why they were dropped; `undefined` if they were not.
   */
  message?(data: Uint8Array): MessageRefusal | undefined;
  /** The next message to the viewers, owned by the caller; `undefined` if there is none. */
  pollMessage?(): Promise<Uint8Array | undefined>;
  /** Reports messages of the source that did not reach a viewer. Missing for sources that cannot use this. */
  messagesDropped?(count: number): void;
  /** For sources that encode: the rate of the access units from now on. */
  setBitrate?(bitsPerSecond: number): void;
  /** For sources that encode: requests that one of the next access units is a keyframe. */
  requestKeyframe?(): void;
  /**
   * Why there is no picture if no writer supplies one; `undefined` if the source itself reported IDLE. Missing for
   * sources in this process.
   */
  idleReason?(): IdleReason | undefined;
  /** Frees the source. Called once, with no `render` in progress. */
  close(): Promise<void>;
}

/** Parameters of a source from its session. */
export interface FrameSourceOptions {
  readonly sessionId: string;
  /** Pixels, even. */
  readonly width: number;
  /** Pixels, even. */
  readonly height: number;
  /** Frames per second. */
  readonly fps: number;
  /** JSON object from the first viewer's offer (`params`). */
  readonly params: Readonly<Record<string, unknown>>;
}

/** A renderer: opens one {@link FrameSource} per session. Sources may run at the same time. */
export interface FrameSourceFactory {
  /** Short name for logs and metrics, such as the library's file name. */
  readonly name: string;
  open(options: FrameSourceOptions): Promise<FrameSource>;
  /** Frees the renderer. Called once, after all sources are closed. */
  close(): Promise<void>;
}
