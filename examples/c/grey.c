/*
 * A minimal renderer in C: its picture is a grey that brightens.
 *
 *   cc -std=c11 -O2 -shared -fPIC -I ../../src/renderer/native/include -o /tmp/libgrey.so grey.c
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "pinhole.h"

struct pinhole_renderer {
  int unused;
};

struct pinhole_session {
  uint32_t width, height;
  uint8_t *pixels;
};

uint32_t pinhole_abi_version(void) { return PINHOLE_ABI_VERSION; }

int32_t pinhole_open(const char *options_json, pinhole_renderer **renderer) {
  (void)options_json;
  *renderer = calloc(1, sizeof **renderer);
  return *renderer ? PINHOLE_OK : PINHOLE_ERROR;
}

int32_t pinhole_close(pinhole_renderer *renderer) {
  free(renderer);
  return PINHOLE_OK;
}

int32_t pinhole_session_close(pinhole_session *session) {
  free(session->pixels);
  free(session);
  return PINHOLE_OK;
}

int32_t pinhole_session_open(pinhole_renderer *renderer, const char *session_id,
                             const char *options_json, uint32_t width, uint32_t height,
                             uint32_t fps, pinhole_session **session) {
  (void)renderer, (void)session_id, (void)options_json, (void)fps;
  if (width == 0 || height == 0) return PINHOLE_ERROR;
  pinhole_session *made = calloc(1, sizeof *made);
  if (!made) return PINHOLE_ERROR;
  made->width = width;
  made->height = height;
  made->pixels = malloc((size_t)width * height * 3);
  if (!made->pixels) {
    free(made);
    return PINHOLE_ERROR;
  }
  *session = made;
  return PINHOLE_OK;
}

int32_t pinhole_render(pinhole_session *session, int64_t timestamp_us, pinhole_frame *frame) {
  size_t size = (size_t)session->width * session->height * 3;
  memset(session->pixels, (int)(timestamp_us / 20000 % 256), size);
  frame->format = PINHOLE_FORMAT_BGR24;
  frame->width = session->width;
  frame->height = session->height;
  frame->planes[0].data = session->pixels;
  frame->planes[0].byte_size = size;
  frame->planes[0].stride_bytes = session->width * 3;
  return PINHOLE_FRAME;
}

int32_t pinhole_last_error(const pinhole_renderer *renderer, const pinhole_session *session,
                           char *buffer, size_t capacity) {
  (void)renderer, (void)session;
  if (capacity > 0) snprintf(buffer, capacity, "Out of memory, or a picture without pixels");
  return PINHOLE_OK;
}
