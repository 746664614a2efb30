import type { VideoCodec } from "./encoder.ts";

/** Which encoders may be used; `auto` tries NVENC first and falls back to the CPU. */
export type EncoderChoice = "auto" | "nvenc" | "x264" | "vpx";

/** An FFmpeg encoder with options for low latency: it outputs each picture at once. */
export interface EncoderRecipe {
  readonly choice: Exclude<EncoderChoice, "auto">;
  readonly codec: VideoCodec;
  /** FFmpeg's name of the encoder. */
  readonly name: string;
  readonly options: Readonly<Record<string, string>>;
  /**
   * How to change the rate of an open encoder. `context`: FFmpeg applies the rate in its context. `steps`: the same,
   * but FFmpeg resets the encoder and forces a keyframe, see `RateSteps`. `clock`: FFmpeg passes on only the pictures'
   * timestamps, see `RateClock`.
   */
  readonly rateBy: "context" | "steps" | "clock";
}

/** The encoders, in the order in which `auto` tries them. */
export const ENCODER_RECIPES: readonly EncoderRecipe[] = [
  {
    choice: "nvenc",
    codec: "h264",
    name: "h264_nvenc",
    rateBy: "steps",
    options: {
      preset: "p3",
      tune: "ull",
      profile: "baseline",
      rc: "cbr",
      delay: "0",
      zerolatency: "1",
      "forced-idr": "1",
    },
  },
  {
    choice: "x264",
    codec: "h264",
    name: "libx264",
    rateBy: "context",
    options: {
      preset: "veryfast",
      tune: "zerolatency",
      profile: "baseline",
      "forced-idr": "1",
      sc_threshold: "0",
    },
  },
  {
    choice: "vpx",
    codec: "vp8",
    name: "libvpx",
    rateBy: "clock",
    options: {
      deadline: "realtime",
      // A negative value is the speed itself. With a positive one, libvpx would choose the speed from the timestamps,
      // which are scaled.
      "cpu-used": "-6",
      "lag-in-frames": "0",
      // The finest quantizer, of 0 to 63. With a finer one, single pictures become ten times as large as others.
      qmin: "4",
      "auto-alt-ref": "0",
      "error-resilient": "default",
      "static-thresh": "100",
      "max-intra-rate": "450",
    },
  },
];
