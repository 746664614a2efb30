/* A session of reference.cu: its CUDA stream, its memory, and the frame that is drawn ahead. */
#ifndef PINHOLE_CUDA_SESSION_CUH
#define PINHOLE_CUDA_SESSION_CUH

#include <cuda_runtime.h>

#include "error_text.h"
#include "kernels.cuh"
#include "mailbox.h"
#include "settings.h"
#include "tone.h"

/* One of the two buffers, and the GPU work for it. */
struct slot {
  uint8_t *pinned = nullptr; /* NV12 */
  cudaEvent_t begun = nullptr, drawn = nullptr, copied = nullptr;
  int64_t timestamp_us = 0;
  bool under_way = false;
  bool failed = false; /* it could not be begun; the session's error says why */
};

/* Sums since the last report, in milliseconds. */
struct figures {
  unsigned frames = 0, drawn_ahead = 0;
  double kernel_ms = 0, copy_ms = 0, render_ms = 0;
};

/* Whether a call succeeded; otherwise writes its name and the reason. */
static bool succeeded(error_text *error, const char *call, cudaError_t code) {
  if (code == cudaSuccess) return true;
  /* Clears non-sticky errors, which a later call would report again. */
  (void)cudaGetLastError();
  fail(error, "%s failed: %s (%s)", call, cudaGetErrorString(code), cudaGetErrorName(code));
  return false;
}

/* cuda(error, Malloc, &p, n) calls cudaMalloc(&p, n); on failure it is false and sets the error text. */
#define cuda(error, name, ...) succeeded(error, "cuda" #name, cuda##name(__VA_ARGS__))

/* Runs a kernel with one thread for each of width * height positions, rounded up to whole blocks. */
template <typename... Parameters, typename... Values>
static bool launch(error_text *error, cudaStream_t stream, int width, int height, dim3 block,
                   void (*kernel)(Parameters...), Values... values) {
  cudaLaunchConfig_t config = {};
  config.gridDim = dim3(((unsigned)width + block.x - 1) / block.x, ((unsigned)height + block.y - 1) / block.y);
  config.blockDim = block;
  config.stream = stream;
  return succeeded(error, "cudaLaunchKernelEx", cudaLaunchKernelEx(&config, kernel, values...));
}

struct pinhole_session {
  int device;
  settings options;
  int width, height;
  int padded_width; /* of the RGBA picture */
  int stride;       /* of the NV12 picture, in bytes */
  int64_t interval_us;
  cudaStream_t stream = nullptr;
  int *ridges = nullptr;
  uchar4 *pixels = nullptr;
  uint8_t *nv12 = nullptr;
  slot slots[2];
  int current = 0; /* the slot of the next frame */
  int64_t newest_us = 0;
  uint32_t frame_number = 0;
  scene_pointer pointer = {};
  figures sums;
  tone sound = {};
  mailbox messages = {};
  error_text error = {};

  size_t nv12_bytes() const { return (size_t)stride * (size_t)height * 3 / 2; }
  bool allocate(error_text *to);
  bool begin(slot *s, int64_t timestamp_us);
  bool draw_into(slot *s, const picture &p);
  bool finish(slot *s);
  bool release();
};

/* After a failure, release frees what was allocated before. */
inline bool pinhole_session::allocate(error_text *to) {
  size_t pixel_bytes = (size_t)padded_width * (size_t)height * sizeof *pixels;
  bool done = cuda(to, SetDevice, device) && cuda(to, StreamCreateWithFlags, &stream, cudaStreamNonBlocking) &&
              cuda(to, Malloc, (void **)&ridges, (size_t)padded_width * SCENE_LAYERS * sizeof *ridges) &&
              cuda(to, Malloc, (void **)&pixels, pixel_bytes) && cuda(to, Malloc, (void **)&nv12, nv12_bytes());
  for (slot &s : slots) {
    done = done && cuda(to, HostAlloc, (void **)&s.pinned, nv12_bytes(), cudaHostAllocDefault);
    for (cudaEvent_t *event : {&s.begun, &s.drawn, &s.copied}) {
      /* Blocking wait instead of spinning, because there may be many sessions. */
      done = done && cuda(to, EventCreateWithFlags, event, cudaEventBlockingSync);
    }
  }
  if (done && !tone_open(&sound, &options)) return fail(to, "Out of memory"), false;
  return done;
}

/* Frees everything, also after failures. Returns false if a call failed; after a sticky error all do. */
inline bool pinhole_session::release() {
  /* A failed frame that was not requested yet has not been reported. */
  bool done = !slots[0].failed && !slots[1].failed;
  done &= cuda(&error, SetDevice, device);
  if (stream != nullptr) done &= cuda(&error, StreamSynchronize, stream);
  for (slot &s : slots) {
    for (cudaEvent_t event : {s.begun, s.drawn, s.copied}) {
      if (event != nullptr) done &= cuda(&error, EventDestroy, event);
    }
    if (s.pinned != nullptr) done &= cuda(&error, FreeHost, s.pinned);
  }
  if (nv12 != nullptr) done &= cuda(&error, Free, nv12);
  if (pixels != nullptr) done &= cuda(&error, Free, pixels);
  if (ridges != nullptr) done &= cuda(&error, Free, ridges);
  if (stream != nullptr) done &= cuda(&error, StreamDestroy, stream);
  free(sound.samples);
  mailbox_close(&messages);
  return done;
}

/* Queues drawing a frame into a slot; returns before it is drawn. */
inline bool pinhole_session::begin(slot *s, int64_t timestamp_us) {
  scene_color colors[SCENE_COLORS];
  picture p;
  p.view = scene_at(width, height, timestamp_us, pointer);
  p.code = block_code_now((uint32_t)width, (uint32_t)height, frame_number);
  scene_palette(colors, p.view.seconds);
  for (int i = 0; i < SCENE_COLORS; i++) {
    p.colors[i] = make_uchar4((uint8_t)(255 * colors[i].red + .5), (uint8_t)(255 * colors[i].green + .5),
                              (uint8_t)(255 * colors[i].blue + .5), 255);
  }
  s->timestamp_us = timestamp_us;
  s->under_way = draw_into(s, p);
  s->failed = !s->under_way;
  return s->under_way;
}

inline bool pinhole_session::draw_into(slot *s, const picture &p) {
  return cuda(&error, EventRecord, s->begun, stream) &&
         launch(&error, stream, padded_width, 1, dim3(256), find_ridges, p.view, ridges, padded_width) &&
         launch(&error, stream, padded_width, height, dim3(32, 8), draw, p, (const int *)ridges, pixels,
                padded_width) &&
         launch(&error, stream, padded_width / 4, height / 2, dim3(32, 8), convert, (const uchar4 *)pixels, nv12,
                padded_width, height, stride) &&
         cuda(&error, EventRecord, s->drawn, stream) &&
         cuda(&error, MemcpyAsync, s->pinned, nv12, nv12_bytes(), cudaMemcpyDeviceToHost, stream) &&
         cuda(&error, EventRecord, s->copied, stream);
}

/* Waits until a slot's frame is in its pinned memory. */
inline bool pinhole_session::finish(slot *s) {
  float kernel_ms, copy_ms;
  s->under_way = false;
  if (!cuda(&error, EventSynchronize, s->copied) || !cuda(&error, EventElapsedTime, &kernel_ms, s->begun, s->drawn) ||
      !cuda(&error, EventElapsedTime, &copy_ms, s->drawn, s->copied)) {
    return false;
  }
  sums.frames++;
  sums.kernel_ms += kernel_ms;
  sums.copy_ms += copy_ms;
  return true;
}

#endif
