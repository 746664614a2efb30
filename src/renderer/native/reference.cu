/*
 * The reference renderer on an NVIDIA GPU: the scene of reference.c, drawn by kernels, converted to NV12 on the GPU
 * and copied out through pinned memory. docs/cuda.md describes how to build and measure it.
 *
 * Options: device, the number of the GPU (default 0); and those of settings.h.
 *
 * A session has a CUDA stream and two pinned buffers. While Pinhole encodes frame n from one buffer, the GPU already
 * draws frame n+1 and copies it into the other: pinhole_render only waits for work that the previous call started.
 * That frame was drawn for the expected timestamp of the next call. A call for another time (frames were skipped, or
 * the frame rate changed) draws again.
 *
 * Messages are those of reference.c, and {"type":"figures"}, which is answered with the average times of the frames
 * since the last such answer.
 */
#include <chrono>
#include <new>

#include "cuda_session.cuh"
#include "include/pinhole.h"

/* The only text without an object: pinhole_open is called once per process. */
static error_text open_error;

struct pinhole_renderer {
  int device = 0;
  settings options = settings_default();
  error_text error = {};
};

static int32_t read_options(const char *json, pinhole_renderer *into) {
  const char *at = json_open(json);
  if (at == nullptr) return fail(&open_error, "The options are not a JSON object");
  json_member member;
  json_step step;
  while ((step = json_next(&at, &member)) == JSON_MEMBER) {
    double device = 0;
    int32_t status = json_is(member.name, "\"device\"")
                         ? settings_number(&member, 0, 255, true, &device, &open_error)
                         : settings_take(&into->options, &member, &open_error);
    if (status < 0) return status;
    if (status > 0) {
      return fail(&open_error, "Unknown option %.*s: known are device, " SETTINGS_NAMES, (int)member.name.length,
                  member.name.start);
    }
    if (json_is(member.name, "\"device\"")) into->device = (int)device;
  }
  if (step == JSON_BAD) return fail(&open_error, "The options are not a JSON object of texts, numbers, true and false");
  return settings_check(&into->options, &open_error);
}

static int32_t open_device(const pinhole_renderer *renderer) {
  int count;
  if (!cuda(&open_error, GetDeviceCount, &count)) return PINHOLE_ERROR;
  if (renderer->device >= count) {
    return fail(&open_error, "There is no CUDA device %d: this host has %d", renderer->device, count);
  }
  /* The second call creates the device context, which is slow, so that the first session opens fast. */
  bool done = cuda(&open_error, SetDevice, renderer->device) && cuda(&open_error, Free, nullptr);
  return done ? PINHOLE_OK : PINHOLE_ERROR;
}

uint32_t pinhole_abi_version(void) { return PINHOLE_ABI_VERSION; }

int32_t pinhole_open(const char *options_json, pinhole_renderer **renderer) {
  pinhole_renderer *opened = new (std::nothrow) pinhole_renderer;
  if (opened == nullptr) return fail(&open_error, "Out of memory");
  if (read_options(options_json, opened) != PINHOLE_OK || open_device(opened) != PINHOLE_OK) {
    delete opened;
    return PINHOLE_ERROR;
  }
  *renderer = opened;
  return PINHOLE_OK;
}

int32_t pinhole_close(pinhole_renderer *renderer) {
  delete renderer;
  return PINHOLE_OK;
}

int32_t pinhole_session_open(pinhole_renderer *renderer, const char *, const char *, uint32_t width, uint32_t height,
                             uint32_t fps, pinhole_session **session) {
  if (width == 0 || height == 0 || width % 2 != 0 || height % 2 != 0 || width > PINHOLE_FRAME_SIDE_MAX ||
      height > PINHOLE_FRAME_SIDE_MAX || fps == 0) {
    return fail(&renderer->error, "Cannot draw %ux%u pixels at %u fps: sides are even, 2 to %d", width, height, fps,
                PINHOLE_FRAME_SIDE_MAX);
  }
  pinhole_session *opened = new (std::nothrow) pinhole_session;
  if (opened == nullptr) return fail(&renderer->error, "Out of memory");
  opened->device = renderer->device;
  opened->options = renderer->options;
  opened->width = (int)width;
  opened->height = (int)height;
  opened->padded_width = (opened->width + 3) / 4 * 4;
  opened->stride = (opened->width + 255) / 256 * 256;
  opened->interval_us = SCENE_SECOND_US / fps;
  if (!opened->allocate(&renderer->error)) {
    (void)opened->release();
    delete opened;
    return PINHOLE_ERROR;
  }
  *session = opened;
  return PINHOLE_OK;
}

int32_t pinhole_session_close(pinhole_session *session) {
  bool done = session->release();
  delete session;
  return done ? PINHOLE_OK : PINHOLE_ERROR;
}

/* Whether a frame that was drawn ahead is close enough to the requested time. */
static bool suits(const pinhole_session *session, const slot *s, int64_t timestamp_us) {
  int64_t apart_us = s->timestamp_us - timestamp_us;
  return s->under_way && apart_us <= session->interval_us / 2 && apart_us >= -session->interval_us / 2;
}

int32_t pinhole_render(pinhole_session *session, int64_t timestamp_us, pinhole_frame *frame) {
  using clock = std::chrono::steady_clock;
  clock::time_point start = clock::now();
  if (timestamp_us < 0) return fail(&session->error, "The timestamp %lld is negative", (long long)timestamp_us);
  if (settings_idle_at(&session->options, timestamp_us)) return PINHOLE_IDLE;
  slot *now = &session->slots[session->current];
  if (now->failed) {
    now->failed = false;
    return PINHOLE_ERROR;
  }
  if (!cuda(&session->error, SetDevice, session->device)) return PINHOLE_ERROR;
  if (suits(session, now, timestamp_us)) {
    session->sums.drawn_ahead++;
  } else if (!session->begin(now, timestamp_us > session->newest_us ? timestamp_us : session->newest_us)) {
    now->failed = false;
    return PINHOLE_ERROR;
  }
  if (!session->finish(now)) return PINHOLE_ERROR;
  session->newest_us = now->timestamp_us;
  session->frame_number++;
  session->current = 1 - session->current;
  (void)session->begin(&session->slots[session->current], timestamp_us + session->interval_us);

  size_t luma_bytes = (size_t)session->stride * (size_t)session->height;
  frame->format = PINHOLE_FORMAT_NV12;
  frame->width = (uint32_t)session->width;
  frame->height = (uint32_t)session->height;
  frame->timestamp_us = now->timestamp_us;
  frame->planes[0] = {now->pinned, luma_bytes, (uint32_t)session->stride, 0};
  frame->planes[1] = {now->pinned + luma_bytes, luma_bytes / 2, (uint32_t)session->stride, 0};
  session->sums.render_ms += std::chrono::duration<double, std::milli>(clock::now() - start).count();
  return PINHOLE_FRAME;
}

int32_t pinhole_audio(pinhole_session *session, int64_t timestamp_us, pinhole_audio_chunk *audio) {
  if (timestamp_us < 0) return fail(&session->error, "The timestamp %lld is negative", (long long)timestamp_us);
  tone_next(&session->sound, timestamp_us, settings_idle_at(&session->options, timestamp_us), audio);
  return PINHOLE_OK;
}

static int32_t answer_figures(pinhole_session *session) {
  const figures &sums = session->sums;
  double frames = sums.frames > 0 ? sums.frames : 1;
  char text[256];
  int length = snprintf(text, sizeof text,
                        "{\"type\":\"figures\",\"frames\":%u,\"drawn_ahead\":%u,\"kernel_ms\":%.4f,\"copy_ms\":%.4f,"
                        "\"render_ms\":%.4f}",
                        sums.frames, sums.drawn_ahead, sums.kernel_ms / frames, sums.copy_ms / frames,
                        sums.render_ms / frames);
  session->sums = {};
  return mailbox_put(&session->messages, text, (size_t)length, &session->error);
}

int32_t pinhole_message(pinhole_session *session, const uint8_t *data, size_t length) {
  mailbox_event event = mailbox_read(data, length);
  if (event.asks_figures) return answer_figures(session);
  if (!event.is_pointer) return mailbox_put(&session->messages, data, length, &session->error);
  session->pointer = event.pointer;
  return PINHOLE_OK;
}

int32_t pinhole_poll_message(pinhole_session *session, uint8_t *buffer, size_t capacity) {
  return mailbox_take(&session->messages, buffer, capacity, &session->error);
}

int32_t pinhole_last_error(const pinhole_renderer *renderer, const pinhole_session *session, char *buffer,
                           size_t capacity) {
  return copy_error(session != nullptr ? &session->error : renderer != nullptr ? &renderer->error : &open_error,
                    buffer, capacity);
}
