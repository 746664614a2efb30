import type { PixelFormat } from "../../media/frame.ts";

/** Requested format of a stream. */
export interface AskedStream {
  /** Pixels, even. */
  readonly width: number;
  /** Pixels, even. */
  readonly height: number;
  /** Frames per second. */
  readonly fps: number;
}

/** The judged properties of a frame. */
export interface FrameRecord {
  readonly format: PixelFormat | "h264";
  /** Pixels; unknown for access units. */
  readonly size: { readonly width: number; readonly height: number } | undefined;
  readonly timestampUs: number;
  /** Whether its memory was written between its call and the next one. */
  readonly overwritten: boolean;
  /** For access units: their flag and their NAL units. */
  readonly encoded:
    | { readonly keyframe: boolean; readonly nalTypes: readonly number[] }
    | undefined;
}

/** One call of `pinhole_render`. */
export interface RenderRecord {
  readonly requestedUs: number;
  /** How long it took. */
  readonly ms: number;
  readonly outcome:
    | { readonly status: "frame"; readonly frame: FrameRecord }
    | { readonly status: "unchanged" | "idle" | "end" | "failed" }
    | { readonly status: "error"; readonly text: string };
}

/** One call of `pinhole_audio`. */
export interface SoundRecord {
  readonly requestedUs: number;
  readonly outcome:
    | {
      readonly status: "sound";
      readonly sampleRate: number;
      readonly channels: number;
      /** Per channel. */
      readonly sampleCount: number;
      readonly timestampUs: number;
    }
    | { readonly status: "silence" }
    | { readonly status: "error"; readonly text: string };
}

/** A section of one stream, at its pace. */
export interface StreamRecord {
  readonly asked: AskedStream;
  /** How long it took. */
  readonly ms: number;
  readonly renders: readonly RenderRecord[];
  /** Frames that were skipped because a call took too long. */
  readonly skipped: number;
  /** `undefined` if the library has no sound. */
  readonly sounds: readonly SoundRecord[] | undefined;
  /**
   * When a keyframe was requested, as an index into `renders`; `undefined` if the library does not support requests.
   */
  readonly keyframeAskedAt: number | undefined;
}

/** The frames of a record, in order. */
export function framesOf({ renders }: StreamRecord): FrameRecord[] {
  return renders.flatMap(({ outcome }) => outcome.status === "frame" ? [outcome.frame] : []);
}
