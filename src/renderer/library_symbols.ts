/** ABI version that a library must have: `PINHOLE_ABI_VERSION` of native/include/pinhole.h. */
export const ABI_VERSION = 1;

/**
 * The functions of native/include/pinhole.h for Deno's FFI. Slow functions are `nonblocking`: each call runs on any
 * thread of Deno's pool.
 */
export const LIBRARY_SYMBOLS = {
  pinhole_abi_version: { parameters: [], result: "u32" },
  pinhole_open: {
    parameters: [
      "buffer", // const char *options_json
      "buffer", // pinhole_renderer **renderer
    ],
    result: "i32",
    nonblocking: true,
  },
  pinhole_close: {
    parameters: [
      "pointer", // pinhole_renderer *renderer
    ],
    result: "i32",
    nonblocking: true,
  },
  pinhole_session_open: {
    parameters: [
      "pointer", // pinhole_renderer *renderer
      "buffer", // const char *session_id
      "buffer", // const char *options_json
      "u32", // uint32_t width
      "u32", // uint32_t height
      "u32", // uint32_t fps
      "buffer", // pinhole_session **session
    ],
    result: "i32",
    nonblocking: true,
  },
  pinhole_session_close: {
    parameters: [
      "pointer", // pinhole_session *session
    ],
    result: "i32",
    nonblocking: true,
  },
  pinhole_render: {
    parameters: [
      "pointer", // pinhole_session *session
      "i64", // int64_t timestamp_us
      "buffer", // pinhole_frame *frame
    ],
    result: "i32",
    nonblocking: true,
  },
  pinhole_last_error: {
    parameters: [
      "pointer", // const pinhole_renderer *renderer
      "pointer", // const pinhole_session *session
      "buffer", // char *buffer
      "usize", // size_t capacity
    ],
    result: "i32",
    nonblocking: true,
  },
  pinhole_message: {
    parameters: [
      "pointer", // pinhole_session *session
      "buffer", // const uint8_t *data
      "usize", // size_t length
    ],
    result: "i32",
    nonblocking: true,
    optional: true,
  },
  pinhole_audio: {
    parameters: [
      "pointer", // pinhole_session *session
      "i64", // int64_t timestamp_us
      "buffer", // pinhole_audio_chunk *audio
    ],
    result: "i32",
    nonblocking: true,
    optional: true,
  },
  pinhole_poll_message: {
    parameters: [
      "pointer", // pinhole_session *session
      "buffer", // uint8_t *buffer
      "usize", // size_t capacity
    ],
    result: "i32",
    nonblocking: true,
    optional: true,
  },
  pinhole_set_bitrate: {
    parameters: [
      "pointer", // pinhole_session *session
      "u32", // uint32_t bits_per_second
    ],
    result: "i32",
    nonblocking: true,
    optional: true,
  },
  pinhole_request_keyframe: {
    parameters: [
      "pointer", // pinhole_session *session
    ],
    result: "i32",
    nonblocking: true,
    optional: true,
  },
} as const satisfies Deno.ForeignLibraryInterface;

/** A loaded library. Missing functions are null. */
export interface RendererLibrary {
  readonly symbols: Deno.DynamicLibrary<typeof LIBRARY_SYMBOLS>["symbols"];
  /** Unloads the library. No call may be in progress or follow. */
  close(): void;
}

/** The required functions. */
export const REQUIRED_SYMBOLS: readonly string[] = Object.entries(LIBRARY_SYMBOLS)
  .filter(([_, symbol]) => !("optional" in symbol))
  .map(([name]) => name);

/** The optional functions. */
export const OPTIONAL_SYMBOLS = [
  "pinhole_message",
  "pinhole_audio",
  "pinhole_poll_message",
  "pinhole_set_bitrate",
  "pinhole_request_keyframe",
] as const satisfies readonly (keyof typeof LIBRARY_SYMBOLS)[];
