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

/** What one call of {@link FrameSource.render} gave. */
export type RenderResult =
  | { readonly status: "frame"; readonly frame: RawFrame }
  | { readonly status: "idle" }
  | { readonly status: "end" };

/** Where the frames of one session come from. Calls of one source never overlap. */
export interface FrameSource {
  /**
   * Waits for the picture of `timestampUs` (microseconds since the session began, never going back).
   * @throws When the source failed; the session decides what its viewers see then.
   */
  render(timestampUs: number): Promise<RenderResult>;
  /** Bytes from a viewer (UTF-8 text or binary). Sources that take none leave it out. */
  message?(data: Uint8Array): void;
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
