import type { SectionSpec } from "./spec.ts";

/** The section `[video]`. */
export const VIDEO_SECTION = {
  help: "The video of each session. It is encoded once and sent to all viewers of the session.",
  keys: {
    width: {
      type: "integer",
      effect: "restart",
      default: 1280,
      min: 16,
      max: 7680,
      even: true,
      unit: "pixels",
      help: "Width of the pictures that the server requests from the renderer.",
    },
    height: {
      type: "integer",
      effect: "restart",
      default: 720,
      min: 16,
      max: 7680,
      even: true,
      unit: "pixels",
      help: "Height of the pictures that the server requests from the renderer.",
    },
    fps: {
      type: "integer",
      effect: "restart",
      default: 30,
      min: 1,
      max: 240,
      unit: "frames per second",
      help: "Frame rate that the server requests from the renderer.",
    },
    codec: {
      type: "choice",
      effect: "restart",
      default: "auto",
      choices: ["auto", "h264", "vp8"],
      help: "auto sends H.264, and VP8 to browsers that do not offer H.264.",
    },
    encoder: {
      type: "choice",
      effect: "restart",
      default: "auto",
      choices: ["auto", "nvenc", "x264", "vpx"],
      help: "auto tries NVENC first and falls back to x264; for VP8 it uses vpx. nvenc and x264 " +
        "encode H.264, vpx encodes VP8.",
    },
    bitrate_kbps: {
      type: "integer",
      effect: "live",
      default: 2500,
      min: 30,
      max: 100000,
      unit: "kbit/s",
      help: "Highest video bitrate. Each viewer gets as much of it as its network path can carry.",
    },
    min_bitrate_kbps: {
      type: "integer",
      effect: "live",
      default: 150,
      min: 30,
      max: 100000,
      unit: "kbit/s",
      help:
        "Lowest video bitrate. If a path cannot carry even that, the viewer gets fewer frames a second.",
    },
    adaptive_size: {
      type: "boolean",
      effect: "sessions",
      default: true,
      help:
        "Send smaller pictures while the bitrate is too low for full size; browsers scale them up. " +
        "Set false for pages that do not give the video element a fixed size.",
    },
  },
} as const satisfies SectionSpec;

/** The section `[audio]`. */
export const AUDIO_SECTION = {
  help: "The sound of each session, sent as Opus.",
  keys: {
    enabled: {
      type: "boolean",
      effect: "restart",
      default: true,
      help: "Send sound to browsers that offer to receive it.",
    },
    bitrate_kbps: {
      type: "integer",
      effect: "sessions",
      default: 48,
      min: 6,
      max: 510,
      unit: "kbit/s",
      help: "Audio bitrate; 24 to 48 is enough for speech.",
    },
  },
} as const satisfies SectionSpec;
