/*
 * pinhole.h: the renderer contract of Pinhole, ABI version 1.
 *
 * A renderer is a shared library that defines the functions below. Pinhole loads it into its own process, opens it
 * once, opens one session per stream, and asks each session for one picture after another. The least that a renderer
 * defines is what stands under "Required"; see reference.c for a complete one.
 *
 * This header compiles as C11 and as C++17 and needs nothing but the standard library. It describes 64-bit platforms,
 * the only ones that Pinhole runs on.
 *
 *
 * Status
 *
 *   Functions return a status: PINHOLE_OK, a positive number where one is listed, or below 0 for a failure. A failing
 *   function returns PINHOLE_ERROR or another negative number, which Pinhole shows beside the text of
 *   pinhole_last_error.
 *   Nothing may leave a function but its return: no C++ exception, no longjmp, no exit.
 *
 *
 * Threads
 *
 *   Calls on one object never overlap. A call is made on its first parameter: pinhole_session_open on the renderer,
 *   everything about an open session on that session.
 *   Calls on different objects do overlap: sessions render and close at the same time, also while the renderer opens
 *   another one. What sessions share, the library must lock.
 *   Any call may come on any thread, also successive calls on one object. What earlier calls on that object wrote is
 *   visible, but nothing that belongs to a thread survives from one call to the next. CUDA's current device is such a
 *   thing: call cudaSetDevice in each function that needs it.
 *   A waiting call delays nothing but the calls on the same object. Since opening is a call on the renderer,
 *   pinhole_session_open should return at once: load models in a separate thread and return PINHOLE_IDLE until
 *   they are there.
 *
 *
 * Lifetimes
 *
 *   Each session is closed before its renderer, and each object exactly once. Nothing is called on a closed object.
 *   Parameters (texts, structures, buffers) belong to Pinhole and are valid until the function returns. Memory that a
 *   function hands out belongs to the library; each function says until when it must stay.
 *
 *
 * Growth
 *
 *   A structure that the library fills begins with struct_size, which Pinhole sets to the number of bytes that it
 *   knows and provides. The other bytes are 0, and 0 always means "not given". So a library writes only fields that
 *   lie within struct_size, never clears the structure, leaves reserved fields alone, and works with older and newer
 *   versions of Pinhole alike. A change that this cannot carry raises PINHOLE_ABI_VERSION.
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

/* What pinhole_abi_version must return. */
#define PINHOLE_ABI_VERSION 1

/* Status of functions. */
#define PINHOLE_OK 0
#define PINHOLE_ERROR (-1)

/* Status of pinhole_render, beside negative numbers. */
#define PINHOLE_FRAME 0 /* the frame was filled in */
#define PINHOLE_IDLE 1  /* nothing to show now: viewers see the idle picture; keep asking */
#define PINHOLE_END 2   /* the stream is over: do not ask again */

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
 * I420 and NV12 are BT.601 in limited range: luma 16 to 235, chroma 16 to 240. The others are full range sRGB and are
 * converted by Pinhole.
 */
#define PINHOLE_FORMAT_I420 1
#define PINHOLE_FORMAT_NV12 2
#define PINHOLE_FORMAT_RGBA 3
#define PINHOLE_FORMAT_BGRA 4
#define PINHOLE_FORMAT_RGB24 5
#define PINHOLE_FORMAT_BGR24 6
#define PINHOLE_FORMAT_H264 7

/* Bits of pinhole_frame.flags. */
#define PINHOLE_FRAME_KEYFRAME 1u /* H264: the access unit can be decoded without any earlier one */

/* Largest width and height of a frame, in pixels. */
#define PINHOLE_FRAME_SIDE_MAX 16384

/* Bytes, with the final 0, that Pinhole provides for an error's text. */
#define PINHOLE_ERROR_TEXT_SIZE 1024

/* Longest message, in bytes, that pinhole_message brings or pinhole_poll_message may give. */
#define PINHOLE_MESSAGE_SIZE_MAX 65536

/* The library's device context. Only the library looks inside. */
typedef struct pinhole_renderer pinhole_renderer;

/* One stream. Only the library looks inside. */
typedef struct pinhole_session pinhole_session;

/* One plane of a frame, or the bytes of an access unit. */
typedef struct pinhole_plane {
  const uint8_t *data;
  /* Bytes that may be read from data on; at least stride_bytes * (rows - 1) + the length of a row. */
  uint64_t byte_size;
  /* Bytes from one row's first byte to the next one's; at least the length of a row. */
  uint32_t stride_bytes;
  uint32_t reserved;
} pinhole_plane;

/*
 * One picture. The memory of its planes is CPU memory (pinned memory is best for copies from a GPU). It belongs to the
 * library and must neither move nor change until the next pinhole_render or pinhole_session_close of its session is
 * called. A library that draws ahead between two calls therefore needs two buffers, used in turn.
 */
typedef struct pinhole_frame {
  uint32_t struct_size;
  /* PINHOLE_FORMAT_…; it may change from frame to frame. */
  uint32_t format;
  /* Pixels, even, 2 to PINHOLE_FRAME_SIDE_MAX. Pinhole scales when they differ from what the session asked for. */
  uint32_t width;
  uint32_t height;
  /* PINHOLE_FRAME_… bits. */
  uint32_t flags;
  uint32_t reserved;
  /*
   * The moment that the picture shows, in microseconds since the session began, never going back. 0 or below: not
   * given, and Pinhole takes the timestamp_us that pinhole_render was called with.
   */
  int64_t timestamp_us;
  /* As many as the format has; the others stay 0. */
  pinhole_plane planes[3];
} pinhole_frame;

/*
 * A piece of sound. Its memory belongs to the library and stays valid until the next pinhole_audio or
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
  /* The first sample's moment on the timeline of the pictures. 0 or below: right after the chunk before. */
  int64_t timestamp_us;
  /* sample_count * channels values. */
  const int16_t *samples;
} pinhole_audio_chunk;

PINHOLE_STATIC_ASSERT(sizeof(void *) == 8, "Pinhole runs on 64-bit platforms only");
PINHOLE_STATIC_ASSERT(sizeof(pinhole_plane) == 24, "pinhole_plane has no hidden padding");
PINHOLE_STATIC_ASSERT(sizeof(pinhole_frame) == 104, "pinhole_frame has no hidden padding");
PINHOLE_STATIC_ASSERT(sizeof(pinhole_audio_chunk) == 32, "pinhole_audio_chunk has no hidden padding");


/* ---- Required -------------------------------------------------------------------------------------------- */

/* PINHOLE_ABI_VERSION of the header that the library was built with. Called before anything else. */
PINHOLE_API uint32_t pinhole_abi_version(void);

/*
 * Opens the library; called once per process. options_json: a JSON object in UTF-8, the [renderer.options] of the
 * configuration. On success *renderer is set and not NULL; on failure nothing stays open.
 */
PINHOLE_API int32_t pinhole_open(const char *options_json, pinhole_renderer **renderer);

/*
 * Closes what pinhole_open opened. When it returns, no thread of the library may be running, since Pinhole unloads the
 * library. A failure is logged by its number; the renderer counts as closed all the same.
 */
PINHOLE_API int32_t pinhole_close(pinhole_renderer *renderer);

/*
 * Opens a stream. session_id: 1 to 64 of A-Z a-z 0-9 _ -. options_json: a JSON object in UTF-8 (4 KiB at most), the
 * params of the first viewer's offer; it comes from a browser, so trust nothing in it. width, height (pixels, even) and
 * fps (frames per second): what Pinhole will encode, and what saves a conversion when the frames have it.
 * On success *session is set and not NULL; on failure nothing stays open, and the text is the renderer's.
 */
PINHOLE_API int32_t pinhole_session_open(pinhole_renderer *renderer, const char *session_id,
                                         const char *options_json, uint32_t width, uint32_t height,
                                         uint32_t fps, pinhole_session **session);

/*
 * Closes a stream; its frames and sound are not used any more. A failure is logged by its number; the session counts as
 * closed all the same.
 */
PINHOLE_API int32_t pinhole_session_close(pinhole_session *session);

/*
 * Waits for the picture of timestamp_us (microseconds since the session began, never going back) and describes it in
 * *frame. Returns PINHOLE_FRAME, PINHOLE_IDLE, PINHOLE_END, or an error. Pinhole keeps the pace: it calls about fps
 * times a second, less often when a call takes longer than that, and skips moments rather than asking for them late.
 * After an error it shows the idle picture and asks again.
 */
PINHOLE_API int32_t pinhole_render(pinhole_session *session, int64_t timestamp_us,
                                   pinhole_frame *frame);

/*
 * Writes the text of the newest failure into buffer: UTF-8, one line, cut to capacity bytes with the final 0, which is
 * always written.
 *
 * Calls come on many threads, so the text belongs to the object that the failed call was made on and not to a thread:
 * the session's where session is not NULL, else the renderer's, and with both NULL that of the failed pinhole_open.
 * Pinhole asks right after the failure, before any other call on that object, so one buffer per object is enough.
 */
PINHOLE_API int32_t pinhole_last_error(const pinhole_renderer *renderer,
                                       const pinhole_session *session, char *buffer,
                                       size_t capacity);


/* ---- Optional: define what the renderer can do, leave out the rest --------------------------------------- */

/*
 * Describes in *audio the sound since the last call, up to timestamp_us on the timeline of the pictures. A library that
 * defines this gets an audio track.
 */
PINHOLE_API int32_t pinhole_audio(pinhole_session *session, int64_t timestamp_us,
                                  pinhole_audio_chunk *audio);

/*
 * Takes a message from a viewer: length bytes, of which Pinhole neither knows nor checks the meaning. data may be NULL
 * when length is 0.
 */
PINHOLE_API int32_t pinhole_message(pinhole_session *session, const uint8_t *data, size_t length);

/*
 * Gives the next message to the viewers: writes it to buffer and returns its length in bytes, or 0 when there is none.
 * capacity is never below PINHOLE_MESSAGE_SIZE_MAX. Pinhole asks up to 16 times for each picture. A viewer that does not
 * read as fast misses messages, which Pinhole logs and reports to the viewer.
 */
PINHOLE_API int32_t pinhole_poll_message(pinhole_session *session, uint8_t *buffer,
                                         size_t capacity);

/*
 * For libraries that give PINHOLE_FORMAT_H264: sets the rate of the access units from now on. It follows what the ways to
 * the viewers take, so calls come often: whenever that has changed by 3 % or more, at most once for each picture. An encoder
 * for which a change is costly, as it makes a keyframe of it, should follow falls at once and rises in a few steps.
 */
PINHOLE_API int32_t pinhole_set_bitrate(pinhole_session *session, uint32_t bits_per_second);

/* For libraries that give PINHOLE_FORMAT_H264: the next access unit shall be a keyframe. */
PINHOLE_API int32_t pinhole_request_keyframe(pinhole_session *session);

#ifdef __cplusplus
}
#endif

#endif
