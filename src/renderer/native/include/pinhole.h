/*
 * pinhole.h: the renderer contract of Pinhole, ABI version 1.
 *
 * A renderer is a shared library that defines the functions below. Pinhole loads it into its process, opens it once,
 * opens one session per stream, and requests one picture after another from each session. A minimal renderer defines
 * only the functions under "Required"; reference.c is a complete one.
 *
 * This header compiles as C11 and C++17 and needs only the standard library. It supports 64-bit platforms, the only
 * ones that Pinhole runs on.
 *
 *
 * Status
 *
 *   Functions return a status: PINHOLE_OK, a positive number where listed, or a negative number for a failure. A
 *   failing function returns PINHOLE_ERROR or another negative number, which Pinhole logs with the text from
 *   pinhole_last_error.
 *   A function may only be left by returning: no C++ exception, no longjmp, no exit.
 *
 *
 * Threads
 *
 *   Calls on one object never overlap. The object of a call is its first parameter: pinhole_session_open is a call on
 *   the renderer, and everything about an open session is a call on that session.
 *   Calls on different objects may overlap: sessions render and close at the same time, even while the renderer opens
 *   another one. The library must lock what sessions share.
 *   Each call may come on any thread, including successive calls on one object. Memory that earlier calls on the
 *   object wrote is visible, but thread-local state does not carry over. CUDA's current device is thread-local: call
 *   cudaSetDevice in each function that needs it.
 *   A blocking call delays only other calls on the same object. Opening a session is a call on the renderer, so
 *   pinhole_session_open should return at once: load models in a separate thread, and return PINHOLE_IDLE from
 *   pinhole_render until they are loaded.
 *
 *
 * Lifetimes
 *
 *   Each session is closed before its renderer, and each object exactly once. No function is called on a closed
 *   object. Parameters (texts, structures, buffers) belong to Pinhole and are valid until the function returns. Memory
 *   that a function returns belongs to the library; each function says how long it must stay valid.
 *
 *
 * Extension
 *
 *   A structure that the library fills begins with struct_size, which Pinhole sets to the number of bytes that it
 *   provides. All other bytes are 0, and 0 always means "not set". A library that writes only fields within
 *   struct_size, never clears the structure and leaves reserved fields alone works with older and newer versions of
 *   Pinhole. Changes that are not possible this way raise PINHOLE_ABI_VERSION.
 */
#ifndef PINHOLE_H
#define PINHOLE_H

#include <stddef.h>
#include <stdint.h>

#if defined(_WIN32)
#define PINHOLE_API __declspec(dllexport)
#else
#define PINHOLE_API __attribute__((visibility("default")))
#endif

#ifdef __cplusplus
#define PINHOLE_STATIC_ASSERT(condition, text) static_assert(condition, text)
extern "C" {
#else
#define PINHOLE_STATIC_ASSERT(condition, text) _Static_assert(condition, text)
#endif

/* The return value of pinhole_abi_version. */
#define PINHOLE_ABI_VERSION 1

/* Status of all functions. */
#define PINHOLE_OK 0
#define PINHOLE_ERROR (-1)

/* Status of pinhole_render, besides negative numbers. */
#define PINHOLE_FRAME 0 /* the frame was filled in */
#define PINHOLE_IDLE 1  /* no picture at present: viewers see the idle picture; Pinhole keeps calling */
#define PINHOLE_END 2   /* the stream has ended: Pinhole does not call again */

/*
 * Formats of a frame; 0 is none. The planes of each, top row first:
 *
 *   I420         planes[0] Y, height rows of width bytes; planes[1] U and planes[2] V, height/2 rows of width/2 bytes
 *   NV12         planes[0] Y as above; planes[1] U and V interleaved, height/2 rows of width bytes
 *   RGBA, BGRA   planes[0], height rows of width * 4 bytes in the order of the letters; A is ignored
 *   RGB24, BGR24 planes[0], height rows of width * 3 bytes in the order of the letters
 *   H264         planes[0], one access unit in Annex B form (start codes), parameter sets before each keyframe, no
 *                B-frames; its stride is not used
 *
 * I420 and NV12 are BT.601, limited range: luma 16 to 235, chroma 16 to 240. The RGB formats are full-range sRGB, which
 * Pinhole converts.
 */
#define PINHOLE_FORMAT_I420 1
#define PINHOLE_FORMAT_NV12 2
#define PINHOLE_FORMAT_RGBA 3
#define PINHOLE_FORMAT_BGRA 4
#define PINHOLE_FORMAT_RGB24 5
#define PINHOLE_FORMAT_BGR24 6
#define PINHOLE_FORMAT_H264 7

/* Bits of pinhole_frame.flags. */
#define PINHOLE_FRAME_KEYFRAME 1u /* H264: the access unit can be decoded without earlier ones */

/* Maximum width and height of a frame, in pixels. */
#define PINHOLE_FRAME_SIDE_MAX 16384

/* Size of Pinhole's buffer for an error text, in bytes, including the final 0. */
#define PINHOLE_ERROR_TEXT_SIZE 1024

/* Maximum size of a message of pinhole_message and pinhole_poll_message, in bytes. */
#define PINHOLE_MESSAGE_SIZE_MAX 65536

/* The library's device context, opaque to Pinhole. */
typedef struct pinhole_renderer pinhole_renderer;

/* One stream, opaque to Pinhole. */
typedef struct pinhole_session pinhole_session;

/* One plane of a frame, or the bytes of an access unit. */
typedef struct pinhole_plane {
  const uint8_t *data;
  /* Readable bytes from data on; at least stride_bytes * (rows - 1) + the length of a row. */
  uint64_t byte_size;
  /* Distance between the first bytes of two rows; at least the length of a row. */
  uint32_t stride_bytes;
  uint32_t reserved;
} pinhole_plane;

/*
 * One picture. Its planes are in CPU memory (pinned memory is best for copies from a GPU). The memory belongs to the
 * library and must not move or change until the next pinhole_render or pinhole_session_close of its session. A library
 * that draws ahead between two calls therefore needs two buffers in turn.
 */
typedef struct pinhole_frame {
  uint32_t struct_size;
  /* PINHOLE_FORMAT_…; may change with each frame. */
  uint32_t format;
  /* Pixels, even, 2 to PINHOLE_FRAME_SIDE_MAX. Pinhole scales if they differ from the requested size. */
  uint32_t width;
  uint32_t height;
  /* PINHOLE_FRAME_… bits. */
  uint32_t flags;
  uint32_t reserved;
  /*
   * Presentation time of the picture, in microseconds since the session began, never decreasing. 0 or below: not
   * set, and Pinhole uses the timestamp_us of the pinhole_render call.
   */
  int64_t timestamp_us;
  /* The format's planes; the others stay 0. */
  pinhole_plane planes[3];
} pinhole_frame;

/*
 * A chunk of sound. Its memory belongs to the library and stays valid until the next pinhole_audio or
 * pinhole_session_close of its session.
 */
typedef struct pinhole_audio_chunk {
  uint32_t struct_size;
  /* Samples per second and channel, 8000 to 48000. */
  uint32_t sample_rate;
  /* 1, or 2 for interleaved left and right. */
  uint32_t channels;
  /* Samples per channel; 0 if there is no sound since the last call. */
  uint32_t sample_count;
  /* Time of the first sample on the timeline of the pictures. 0 or below: directly after the previous chunk. */
  int64_t timestamp_us;
  /* sample_count * channels values. */
  const int16_t *samples;
} pinhole_audio_chunk;

PINHOLE_STATIC_ASSERT(sizeof(void *) == 8, "Pinhole runs on 64-bit platforms only");
PINHOLE_STATIC_ASSERT(sizeof(pinhole_plane) == 24, "pinhole_plane has no hidden padding");
PINHOLE_STATIC_ASSERT(sizeof(pinhole_frame) == 104, "pinhole_frame has no hidden padding");
PINHOLE_STATIC_ASSERT(sizeof(pinhole_audio_chunk) == 32, "pinhole_audio_chunk has no hidden padding");


/* ---- Required -------------------------------------------------------------------------------------------- */

/* Returns PINHOLE_ABI_VERSION of the header that the library was built with. Called first. */
PINHOLE_API uint32_t pinhole_abi_version(void);

/*
 * Opens the library; called once per process. options_json: a JSON object in UTF-8, the [renderer.options] of the
 * configuration. On success *renderer is set and not NULL; on failure nothing stays open.
 */
PINHOLE_API int32_t pinhole_open(const char *options_json, pinhole_renderer **renderer);

/*
 * Closes the library. When it returns, no thread of the library may be running, because Pinhole unloads it. A failure
 * is logged with its number; the renderer counts as closed regardless.
 */
PINHOLE_API int32_t pinhole_close(pinhole_renderer *renderer);

/*
 * Opens a stream. session_id: 1 to 64 of A-Z a-z 0-9 _ -. options_json: a JSON object in UTF-8 (4 KiB at most), the
 * params of the first viewer's offer; they come from a browser, so do not trust them. width, height (pixels, even) and
 * fps (frames per second): the format that Pinhole will encode; frames of exactly this size need no scaling.
 * On success *session is set and not NULL; on failure nothing stays open, and the error text is that of the renderer.
 */
PINHOLE_API int32_t pinhole_session_open(pinhole_renderer *renderer, const char *session_id,
                                         const char *options_json, uint32_t width, uint32_t height,
                                         uint32_t fps, pinhole_session **session);

/*
 * Closes a stream; Pinhole no longer uses its frames and sound. A failure is logged with its number; the session counts
 * as closed regardless.
 */
PINHOLE_API int32_t pinhole_session_close(pinhole_session *session);

/*
 * Waits for the picture of timestamp_us (microseconds since the session began, never decreasing) and describes it in
 * *frame. Returns PINHOLE_FRAME, PINHOLE_IDLE, PINHOLE_END, or an error. Pinhole sets the pace: it calls about fps times
 * a second, less often if a call takes longer than that, and skips late pictures instead of requesting them.
 * After an error it shows the idle picture and calls again.
 */
PINHOLE_API int32_t pinhole_render(pinhole_session *session, int64_t timestamp_us,
                                   pinhole_frame *frame);

/*
 * Writes the text of the latest failure into buffer: UTF-8, one line, truncated to capacity bytes including the final 0,
 * which is always written.
 *
 * Calls come on many threads, so the text belongs to the object of the failed call, not to a thread: to the session if
 * session is not NULL, otherwise to the renderer; if both are NULL, to the failed pinhole_open.
 * Pinhole calls this directly after the failure, before any other call on that object, so one buffer per object is
 * enough.
 */
PINHOLE_API int32_t pinhole_last_error(const pinhole_renderer *renderer,
                                       const pinhole_session *session, char *buffer,
                                       size_t capacity);


/* ---- Optional: define those that the renderer supports --------------------------------------------------- */

/*
 * Describes in *audio the sound since the last call, up to timestamp_us on the timeline of the pictures. A library that
 * defines this gets an audio track.
 */
PINHOLE_API int32_t pinhole_audio(pinhole_session *session, int64_t timestamp_us,
                                  pinhole_audio_chunk *audio);

/*
 * Passes a message of a viewer: length bytes, which Pinhole does not interpret or validate. data may be NULL if length
 * is 0.
 */
PINHOLE_API int32_t pinhole_message(pinhole_session *session, const uint8_t *data, size_t length);

/*
 * Writes the next message for the viewers into buffer and returns its length in bytes, or 0 if there is none. capacity
 * is at least PINHOLE_MESSAGE_SIZE_MAX. Pinhole calls this up to 16 times per picture. A viewer that reads too slowly
 * misses messages, which Pinhole logs and reports to the viewer.
 */
PINHOLE_API int32_t pinhole_poll_message(pinhole_session *session, uint8_t *buffer,
                                         size_t capacity);

/*
 * For libraries that return PINHOLE_FORMAT_H264: sets the rate of the following access units. It follows the capacity of
 * the viewers' paths, so calls are frequent: at each change of 3 % or more, at most once per picture. If a change is
 * costly for an encoder, because it makes a keyframe, it should apply decreases at once and increases in few steps.
 */
PINHOLE_API int32_t pinhole_set_bitrate(pinhole_session *session, uint32_t bits_per_second);

/* For libraries that return PINHOLE_FORMAT_H264: requests a keyframe as the next access unit. */
PINHOLE_API int32_t pinhole_request_keyframe(pinhole_session *session);

#ifdef __cplusplus
}
#endif

#endif
