import type { VideoCodec } from "./encoder.ts";

/** Which encoders may be used; `auto` tries NVENC first and falls back to the CPU. */
export type EncoderChoice = "auto" | "nvenc" | "x264" | "vpx";

/** An FFmpeg encoder with the options that make it send each picture at once. */
export interface EncoderRecipe {
  readonly choice: Exclude<EncoderChoice, "auto">;
  readonly codec: VideoCodec;
  /** FFmpeg's name of the encoder. */
  readonly name: string;
  readonly options: Readonly<Record<string, string>>;
  /**
   * How an open encoder is told another rate. `context`: FFmpeg hands on what its context says. `steps`: so it does, but
   * resets the encoder and forces a keyframe, see `RateSteps`. `clock`: FFmpeg hands on nothing but the pictures' times,
   * see `RateClock`.
   */
  readonly rateBy: "context" | "steps" | "clock";
}

/** In the order in which `auto` tries them. */
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
      // Below zero it is the speed itself. Above, libvpx would choose one by the pictures' times, which are not true.
      "cpu-used": "-6",
      "lag-in-frames": "0",
      // The finest quantizer, of 0 to 63. With finer ones single pictures grow to ten times the others.
      qmin: "4",
      "auto-alt-ref": "0",
      "error-resilient": "default",
      "static-thresh": "100",
      "max-intra-rate": "450",
    },
  },
];
