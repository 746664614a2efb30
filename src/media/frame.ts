/** How the pixels of a {@link RawFrame} lie in memory. */
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
 * The memory belongs to the source that made the frame. It stays valid until the next `render` or `close` of that
 * source; whoever needs it longer copies it.
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

/** One H.264 access unit that a renderer encoded by itself. Its memory follows the rule of {@link RawFrame}. */
export interface EncodedSourceFrame {
  readonly kind: "h264";
  /** Annex B, no B-frames. */
  readonly data: Uint8Array;
  /** Whether it can be decoded without any earlier one. */
  readonly keyframe: boolean;
  /** Capture time on the session's timeline, in microseconds. */
  readonly timestampUs: number;
}

/** What a source may hand out. */
export type SourceFrame = RawFrame | EncodedSourceFrame;

/** What one call of {@link FrameSource.render} gave. */
export type RenderResult =
  | { readonly status: "frame"; readonly frame: SourceFrame }
  /** The last picture still holds. */
  | { readonly status: "unchanged" }
  /** There is nothing to show: viewers see the idle picture. */
  | { readonly status: "idle" }
  /** The stream is over. */
  | { readonly status: "end" }
  /** The stream is over, as the source will never work. The source has said why. */
  | { readonly status: "failed" };

/** A piece of sound. The samples belong to whoever receives it. */
export interface AudioChunk {
  /** Samples per second and channel, 8000–48000. */
  readonly sampleRate: number;
  readonly channels: 1 | 2;
  /** 16-bit signed, left and right interleaved where there are two channels. */
  readonly samples: Int16Array;
  /** The first sample's time on the session's timeline, in microseconds. */
  readonly timestampUs: number;
}

/** Why a source did not take a message: nobody is there to read it or reads as fast, or it is too long. */
export type MessageRefusal = "no_writer" | "not_read" | "too_long" | "too_many";

/** Why a source can have nothing: no process brings its pictures, or one that is there has not brought any yet. */
export type IdleReason = "no_writer" | "silent_writer";

/** Where the frames of one session come from. Calls of one source never overlap. */
export interface FrameSource {
  /**
   * Waits for the picture of `timestampUs` (microseconds since the session began, never going back).
   * @throws When the source failed; the session decides what its viewers see then.
   */
  render(timestampUs: number): Promise<RenderResult>;
  /**
   * The sound since the last call, up to `timestampUs`; `undefined` when there is none. Sources without sound leave the
   * function out.
   * @throws When the source failed.
   */
  audio?(timestampUs: number): Promise<AudioChunk | undefined>;
  /**
   * Takes bytes from a viewer (UTF-8 text or binary), which it copies. Sources that take none leave it out.
   * @returns Why they were dropped; `undefined` when they were not.
   */
  message?(data: Uint8Array): MessageRefusal | undefined;
  /** The next message to the viewers, which belongs to the caller; `undefined` when there is none. */
  pollMessage?(): Promise<Uint8Array | undefined>;
  /** Hears of messages of its own that did not reach a viewer. Sources that cannot be told leave it out. */
  messagesDropped?(count: number): void;
  /** For sources that encode: the rate of the access units from now on. */
  setBitrate?(bitsPerSecond: number): void;
  /** For sources that encode: one of the next access units shall be a keyframe. */
  requestKeyframe?(): void;
  /**
   * Why it has nothing to show, where that is not its own word; `undefined` where it is. Sources that render by themselves
   * leave it out.
   */
  idleReason?(): IdleReason | undefined;
  /** Frees the source. Called once, with no `render` under way. */
  close(): Promise<void>;
}

/** What a source needs to know of its session. */
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
  /** Frees the renderer. Called once, with every source closed. */
  close(): Promise<void>;
}
