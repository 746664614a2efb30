/*
 * As much of CUDA's runtime as reference.cu uses, on the CPU: a C++ compiler that finds this header first makes a library
 * of reference.cu that runs anywhere, kernels included. It shows what the library does with streams, events, memory,
 * devices and errors; not how fast.
 *
 * Work that is put on a stream is done at once; with -DLAZY only when somebody waits for it. The first shows memory that
 * is written too early, the second memory that is read too early.
 *
 * A test loads the library once more and calls the fake_cuda_… functions at the end of this file.
 */
#ifndef EMULATED_CUDA_RUNTIME_H
#define EMULATED_CUDA_RUNTIME_H

#include <atomic>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <vector>

#define __global__
#define __device__
#define __host__
#define __grid_constant__

struct uchar4 {
  unsigned char x, y, z, w;
};
inline uchar4 make_uchar4(unsigned char x, unsigned char y, unsigned char z, unsigned char w) { return {x, y, z, w}; }

struct dim3 {
  unsigned x, y, z;
  dim3(unsigned x = 1, unsigned y = 1, unsigned z = 1) : x(x), y(y), z(z) {}
};
inline thread_local dim3 blockIdx, blockDim, threadIdx;

enum cudaError_t { cudaSuccess = 0, cudaErrorInvalidDevice = 101, cudaErrorUnknown = 999 };
enum { cudaStreamNonBlocking = 1, cudaHostAllocDefault = 0, cudaEventBlockingSync = 1 };
enum cudaMemcpyKind { cudaMemcpyDeviceToHost = 2 };

struct fake_stream {
  int device;
  std::vector<std::function<void()>> work;
};
struct fake_event {
  int device;
  fake_stream *stream;
};
typedef fake_stream *cudaStream_t;
typedef fake_event *cudaEvent_t;

struct cudaLaunchConfig_t {
  dim3 gridDim, blockDim;
  size_t dynamicSmemBytes;
  cudaStream_t stream;
};

enum { FAKE_DEVICES = 2 };
inline std::atomic<int> fake_calls, fake_fail_at, fake_live, fake_epoch;
struct fake_thread {
  int device, epoch;
};
inline thread_local fake_thread fake_current;

/* The device of this thread: 0, unless it was chosen since the threads were last said to be new ones. */
inline int fake_device() { return fake_current.epoch == fake_epoch ? fake_current.device : 0; }

inline cudaError_t fake_call() { return ++fake_calls == fake_fail_at ? cudaErrorUnknown : cudaSuccess; }

/* A call that works on something which belongs to a device. */
inline cudaError_t fake_call_on(int device) {
  cudaError_t code = fake_call();
  return code != cudaSuccess || device == fake_device() ? code : cudaErrorInvalidDevice;
}

inline const char *cudaGetErrorString(cudaError_t code) {
  return code == cudaErrorInvalidDevice ? "invalid device ordinal" : "unknown error";
}
inline const char *cudaGetErrorName(cudaError_t code) {
  return code == cudaErrorInvalidDevice ? "cudaErrorInvalidDevice" : "cudaErrorUnknown";
}
inline cudaError_t cudaGetLastError() { return cudaSuccess; }

inline cudaError_t cudaGetDeviceCount(int *count) {
  *count = FAKE_DEVICES;
  return fake_call();
}
inline cudaError_t cudaSetDevice(int device) {
  cudaError_t code = fake_call();
  if (code == cudaSuccess) fake_current = {device, fake_epoch};
  return code;
}

/* Memory begins with its device, 64 bytes before the address that is handed out. */
inline cudaError_t fake_allocate(void **memory, size_t bytes) {
  cudaError_t code = fake_call();
  if (code != cudaSuccess) return code;
  char *block = (char *)malloc(bytes + 64);
  memset(block, 0xa5, bytes + 64);
  *(int *)block = fake_device();
  *memory = block + 64;
  fake_live++;
  return code;
}
/* Frees also when it fails: CUDA reports errors of earlier work that way. */
inline cudaError_t fake_release(void *memory) {
  if (memory == nullptr) return fake_call();
  char *block = (char *)memory - 64;
  int device = *(int *)block;
  free(block);
  fake_live--;
  return fake_call_on(device);
}
inline cudaError_t cudaMalloc(void **memory, size_t bytes) { return fake_allocate(memory, bytes); }
inline cudaError_t cudaFree(void *memory) { return fake_release(memory); }
inline cudaError_t cudaHostAlloc(void **memory, size_t bytes, unsigned) { return fake_allocate(memory, bytes); }
inline cudaError_t cudaFreeHost(void *memory) { return fake_release(memory); }

template <typename Handle, typename Object> cudaError_t fake_create(Handle *handle, Object object) {
  cudaError_t code = fake_call();
  if (code != cudaSuccess) return code;
  *handle = new Object(object);
  fake_live++;
  return code;
}
template <typename Object> cudaError_t fake_destroy(Object *object) {
  int device = object->device;
  delete object;
  fake_live--;
  return fake_call_on(device);
}
inline cudaError_t cudaStreamCreateWithFlags(cudaStream_t *stream, unsigned) {
  return fake_create(stream, fake_stream{fake_device(), {}});
}
inline cudaError_t cudaStreamDestroy(cudaStream_t stream) { return fake_destroy(stream); }
inline cudaError_t cudaEventCreateWithFlags(cudaEvent_t *event, unsigned) {
  return fake_create(event, fake_event{fake_device(), nullptr});
}
inline cudaError_t cudaEventDestroy(cudaEvent_t event) { return fake_destroy(event); }

inline void fake_run(fake_stream *stream) {
  for (auto &work : stream->work) work();
  stream->work.clear();
}
inline cudaError_t fake_enqueue(fake_stream *stream, std::function<void()> work) {
  cudaError_t code = fake_call_on(stream->device);
  if (code != cudaSuccess) return code;
  stream->work.push_back(std::move(work));
#ifndef LAZY
  fake_run(stream);
#endif
  return code;
}

inline cudaError_t cudaStreamSynchronize(cudaStream_t stream) {
  cudaError_t code = fake_call_on(stream->device);
  if (code == cudaSuccess) fake_run(stream);
  return code;
}
inline cudaError_t cudaEventRecord(cudaEvent_t event, cudaStream_t stream) {
  event->stream = stream;
  return fake_call_on(stream->device);
}
inline cudaError_t cudaEventSynchronize(cudaEvent_t event) {
  cudaError_t code = fake_call_on(event->device);
  if (code == cudaSuccess && event->stream != nullptr) fake_run(event->stream);
  return code;
}
inline cudaError_t cudaEventElapsedTime(float *ms, cudaEvent_t, cudaEvent_t) {
  *ms = .25f;
  return fake_call();
}
inline cudaError_t cudaMemcpyAsync(void *to, const void *from, size_t bytes, cudaMemcpyKind, cudaStream_t stream) {
  return fake_enqueue(stream, [=] { memcpy(to, from, bytes); });
}

template <typename... Parameters, typename... Values>
cudaError_t cudaLaunchKernelEx(const cudaLaunchConfig_t *config, void (*kernel)(Parameters...), Values... values) {
  dim3 grid = config->gridDim, block = config->blockDim;
  return fake_enqueue(config->stream, [=] {
    blockDim = block;
    for (blockIdx.y = 0; blockIdx.y < grid.y; blockIdx.y++) {
      for (blockIdx.x = 0; blockIdx.x < grid.x; blockIdx.x++) {
        for (threadIdx.y = 0; threadIdx.y < block.y; threadIdx.y++) {
          for (threadIdx.x = 0; threadIdx.x < block.x; threadIdx.x++) kernel(values...);
        }
      }
    }
  });
}

#define FAKE_EXPORT extern "C" __attribute__((visibility("default"), used)) inline

/* Lets the n-th call from now on fail, 0: none. Returns how many there were since it was called last. */
FAKE_EXPORT int fake_cuda_fail_at(int n) {
  fake_fail_at = n;
  return fake_calls.exchange(0);
}
/* How many pieces of memory, streams and events there are. */
FAKE_EXPORT int fake_cuda_live() { return fake_live; }
/* What comes now may come on any thread: none has chosen a device. */
FAKE_EXPORT void fake_cuda_new_threads() { fake_epoch++; }

#endif
