/*
 * A renderer that gives the same two NV12 pictures in turn and draws nothing: what a call on it takes is the way to the
 * library and back.
 */
#include <stdlib.h>
#include <string.h>

#include "../../src/renderer/native/include/pinhole.h"

struct pinhole_renderer {
  int unused;
};

struct pinhole_session {
  uint32_t width, height, turn;
  uint8_t *pictures[2];
};

static pinhole_renderer the_renderer;

uint32_t pinhole_abi_version(void) { return PINHOLE_ABI_VERSION; }

int32_t pinhole_open(const char *options_json, pinhole_renderer **renderer) {
  (void)options_json;
  *renderer = &the_renderer;
  return PINHOLE_OK;
}

int32_t pinhole_close(pinhole_renderer *renderer) {
  (void)renderer;
  return PINHOLE_OK;
}

int32_t pinhole_session_close(pinhole_session *session) {
  free(session->pictures[0]);
  free(session->pictures[1]);
  free(session);
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
  size_t bytes = (size_t)width * height * 3 / 2;
  for (int i = 0; i < 2; i++) {
    opened->pictures[i] = malloc(bytes);
    if (opened->pictures[i] == NULL) {
      pinhole_session_close(opened);
      return PINHOLE_ERROR;
    }
    /* Memory that was never written has no pages of its own, and costs nothing to copy. */
    memset(opened->pictures[i], 64 + 128 * i, bytes);
  }
  *session = opened;
  return PINHOLE_OK;
}

int32_t pinhole_render(pinhole_session *session, int64_t timestamp_us, pinhole_frame *frame) {
  const uint8_t *picture = session->pictures[session->turn++ % 2];
  uint64_t luma_bytes = (uint64_t)session->width * session->height;
  frame->format = PINHOLE_FORMAT_NV12;
  frame->width = session->width;
  frame->height = session->height;
  frame->timestamp_us = timestamp_us;
  frame->planes[0] = (pinhole_plane){.data = picture, .byte_size = luma_bytes, .stride_bytes = session->width};
  frame->planes[1] =
      (pinhole_plane){.data = picture + luma_bytes, .byte_size = luma_bytes / 2, .stride_bytes = session->width};
  return PINHOLE_FRAME;
}

int32_t pinhole_last_error(const pinhole_renderer *renderer, const pinhole_session *session, char *buffer,
                           size_t capacity) {
  (void)renderer;
  (void)session;
  if (capacity > 0) strncpy(buffer, "Out of memory", capacity - 1)[capacity - 1] = 0;
  return PINHOLE_OK;
}
