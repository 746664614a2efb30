/*
 * A renderer that plays I420 pictures of a file, over and over, and draws nothing.
 *
 * Options: {"path":"…"}, a file of whole pictures of each session's size.
 */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../../src/renderer/native/include/pinhole.h"

enum { PATH_CAPACITY = 4096 };

struct pinhole_renderer {
  const uint8_t *pictures;
  size_t bytes;
};

struct pinhole_session {
  uint32_t width, height;
  size_t turn;
};

static pinhole_renderer the_renderer;

uint32_t pinhole_abi_version(void) { return PINHOLE_ABI_VERSION; }

int32_t pinhole_open(const char *options_json, pinhole_renderer **renderer) {
  char path[PATH_CAPACITY];
  const char *from = strstr(options_json, "\"path\":\"");
  if (from == NULL) return PINHOLE_ERROR;
  from += strlen("\"path\":\"");
  const char *to = strchr(from, '"');
  if (to == NULL || to - from >= PATH_CAPACITY) return PINHOLE_ERROR;
  memcpy(path, from, (size_t)(to - from));
  path[to - from] = 0;
  int fd = open(path, O_RDONLY);
  struct stat file;
  if (fd < 0 || fstat(fd, &file) != 0) return PINHOLE_ERROR;
  void *mapped = mmap(NULL, (size_t)file.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
  close(fd);
  if (mapped == MAP_FAILED) return PINHOLE_ERROR;
  the_renderer.pictures = mapped;
  the_renderer.bytes = (size_t)file.st_size;
  *renderer = &the_renderer;
  return PINHOLE_OK;
}

int32_t pinhole_close(pinhole_renderer *renderer) {
  munmap((void *)renderer->pictures, renderer->bytes);
  return PINHOLE_OK;
}

int32_t pinhole_session_open(pinhole_renderer *renderer, const char *session_id, const char *options_json,
                             uint32_t width, uint32_t height, uint32_t fps, pinhole_session **session) {
  (void)renderer;
  (void)session_id;
  (void)options_json;
  (void)fps;
  pinhole_session *opened = calloc(1, sizeof *opened);
  if (opened == NULL) return PINHOLE_ERROR;
  opened->width = width;
  opened->height = height;
  *session = opened;
  return PINHOLE_OK;
}

int32_t pinhole_session_close(pinhole_session *session) {
  free(session);
  return PINHOLE_OK;
}

int32_t pinhole_render(pinhole_session *session, int64_t timestamp_us, pinhole_frame *frame) {
  size_t luma_bytes = (size_t)session->width * session->height;
  size_t picture_bytes = luma_bytes * 3 / 2;
  if (the_renderer.bytes < picture_bytes) return PINHOLE_ERROR;
  size_t number = session->turn++ % (the_renderer.bytes / picture_bytes);
  const uint8_t *luma = the_renderer.pictures + number * picture_bytes;
  const uint8_t *chroma = luma + luma_bytes;
  uint32_t half = session->width / 2;
  frame->format = PINHOLE_FORMAT_I420;
  frame->width = session->width;
  frame->height = session->height;
  frame->timestamp_us = timestamp_us;
  frame->planes[0] = (pinhole_plane){.data = luma, .byte_size = luma_bytes, .stride_bytes = session->width};
  frame->planes[1] = (pinhole_plane){.data = chroma, .byte_size = luma_bytes / 4, .stride_bytes = half};
  frame->planes[2] =
      (pinhole_plane){.data = chroma + luma_bytes / 4, .byte_size = luma_bytes / 4, .stride_bytes = half};
  return PINHOLE_FRAME;
}

int32_t pinhole_last_error(const pinhole_renderer *renderer, const pinhole_session *session, char *buffer,
                           size_t capacity) {
  (void)renderer;
  (void)session;
  if (capacity > 0) strncpy(buffer, "The file of pictures cannot be read", capacity - 1)[capacity - 1] = 0;
  return PINHOLE_OK;
}
