/*
 * A minimal renderer on an NVIDIA GPU: a kernel fills an NV12 picture, which is then copied into pinned memory.
 *
 *   nvcc -std=c++17 -O2 -arch=native -shared -Xcompiler -fPIC -cudart static -I ../../src/renderer/native/include \
 *     -o /tmp/libstripes.so stripes.cu
 */
#include <cuda_runtime.h>
#include <stdint.h>
#include <stdio.h>

#include <new>

#include "pinhole.h"

enum { DEVICE = 0, ERROR_SIZE = 256 };

struct pinhole_renderer {
  char error[ERROR_SIZE];
};

struct pinhole_session {
  int width, height;
  size_t size;     /* of a picture, in bytes */
  uint8_t *drawn;  /* on the GPU */
  uint8_t *pinned; /* on the host, where the GPU can copy to by itself */
  cudaStream_t stream;
  char error[ERROR_SIZE];
};

/* Error of pinhole_open, which has no object to store it. */
static char open_error[ERROR_SIZE];

/* Whether a call succeeded; otherwise stores its name and CUDA's message for pinhole_last_error. */
static bool succeeded(char *error, const char *call, cudaError_t code) {
  if (code == cudaSuccess) return true;
  snprintf(error, ERROR_SIZE, "%s failed: %s (%s)", call, cudaGetErrorString(code), cudaGetErrorName(code));
  return false;
}
#define CUDA(error, name, ...) succeeded(error, "cuda" #name, cuda##name(__VA_ARGS__))

static int32_t out_of_memory(char *error) {
  snprintf(error, ERROR_SIZE, "Out of memory");
  return PINHOLE_ERROR;
}

/* One byte per thread: height rows of Y, then height / 2 rows of interleaved U and V. */
static __global__ void fill(uint8_t *picture, int width, int height, int64_t timestamp_us) {
  int x = (int)(blockIdx.x * blockDim.x + threadIdx.x);
  int y = (int)(blockIdx.y * blockDim.y + threadIdx.y);
  if (x >= width || y >= height * 3 / 2) return;
  bool is_luma = y < height;
  int moved = (int)((x + timestamp_us / 10000) % 220);
  int chroma = x % 2 == 0 ? x * 224 / width : (y - height) * 2 * 224 / height;
  picture[(size_t)y * (size_t)width + (size_t)x] = (uint8_t)(16 + (is_luma ? moved : chroma));
}

uint32_t pinhole_abi_version(void) { return PINHOLE_ABI_VERSION; }

int32_t pinhole_open(const char *, pinhole_renderer **renderer) {
  /* The second call creates the device context, which is slow, so that the first session opens fast. */
  if (!CUDA(open_error, SetDevice, DEVICE) || !CUDA(open_error, Free, nullptr)) return PINHOLE_ERROR;
  *renderer = new (std::nothrow) pinhole_renderer();
  return *renderer != nullptr ? PINHOLE_OK : out_of_memory(open_error);
}

int32_t pinhole_close(pinhole_renderer *renderer) {
  delete renderer;
  return PINHOLE_OK;
}

int32_t pinhole_session_close(pinhole_session *session) {
  char *error = session->error;
  /* Each call may come on another thread, and the current device is per thread. */
  bool done = CUDA(error, SetDevice, DEVICE);
  if (session->stream != nullptr) {
    /* After a failure the GPU may still be using the memory. */
    done &= CUDA(error, StreamSynchronize, session->stream);
    done &= CUDA(error, StreamDestroy, session->stream);
  }
  if (session->pinned != nullptr) done &= CUDA(error, FreeHost, session->pinned);
  if (session->drawn != nullptr) done &= CUDA(error, Free, session->drawn);
  delete session;
  return done ? PINHOLE_OK : PINHOLE_ERROR;
}

int32_t pinhole_session_open(pinhole_renderer *renderer, const char *, const char *, uint32_t width, uint32_t height,
                             uint32_t, pinhole_session **session) {
  char *error = renderer->error;
  pinhole_session *made = new (std::nothrow) pinhole_session();
  if (made == nullptr) return out_of_memory(error);
  made->width = (int)width;
  made->height = (int)height;
  made->size = (size_t)width * height * 3 / 2;
  if (!CUDA(error, SetDevice, DEVICE) || !CUDA(error, Malloc, (void **)&made->drawn, made->size) ||
      !CUDA(error, HostAlloc, (void **)&made->pinned, made->size, cudaHostAllocDefault) ||
      !CUDA(error, StreamCreateWithFlags, &made->stream, cudaStreamNonBlocking)) {
    (void)pinhole_session_close(made);
    return PINHOLE_ERROR;
  }
  *session = made;
  return PINHOLE_OK;
}

int32_t pinhole_render(pinhole_session *session, int64_t timestamp_us, pinhole_frame *frame) {
  uint32_t width = (uint32_t)session->width, height = (uint32_t)session->height;
  char *error = session->error;
  cudaLaunchConfig_t launch = {};
  launch.blockDim = dim3(32, 8);
  launch.gridDim = dim3((width + 31) / 32, (height * 3 / 2 + 7) / 8);
  launch.stream = session->stream;
  if (!CUDA(error, SetDevice, DEVICE) ||
      !CUDA(error, LaunchKernelEx, &launch, fill, session->drawn, session->width, session->height, timestamp_us) ||
      !CUDA(error, MemcpyAsync, session->pinned, session->drawn, session->size, cudaMemcpyDeviceToHost,
            session->stream) ||
      !CUDA(error, StreamSynchronize, session->stream)) {
    return PINHOLE_ERROR;
  }
  /* Pinhole reads the pinned memory until the next pinhole_render, so one buffer is enough here. */
  size_t luma_size = (size_t)width * height;
  frame->format = PINHOLE_FORMAT_NV12;
  frame->width = width;
  frame->height = height;
  frame->planes[0] = {session->pinned, luma_size, width, 0};
  frame->planes[1] = {session->pinned + luma_size, luma_size / 2, width, 0};
  return PINHOLE_FRAME;
}

int32_t pinhole_last_error(const pinhole_renderer *renderer, const pinhole_session *session, char *buffer,
                           size_t capacity) {
  const char *error = session != nullptr ? session->error : renderer != nullptr ? renderer->error : open_error;
  if (capacity > 0) snprintf(buffer, capacity, "%s", error[0] != 0 ? error : "Out of memory");
  return PINHOLE_OK;
}
