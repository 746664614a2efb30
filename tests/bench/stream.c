/*
 * A renderer that hands out H.264 access units of one length, 2.5 Mbit/s at 30 pictures a second. They show nothing and
 * cost nothing: what a server takes is the way from the library to its viewers. No decoder would play them.
 */
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "../../src/renderer/native/include/pinhole.h"

enum { BYTES = 2500000 / 8 / 30 };

struct pinhole_renderer {
  int unused;
};

struct pinhole_session {
  bool is_started, wants_keyframe;
  uint8_t keyframe[BYTES], picture[BYTES];
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
  free(session);
  return PINHOLE_OK;
}

int32_t pinhole_session_open(pinhole_renderer *renderer, const char *session_id, const char *options_json,
                             uint32_t width, uint32_t height, uint32_t fps, pinhole_session **session) {
  static const uint8_t parameter_sets[] = {0, 0, 0, 1, 0x67, 0x42, 0xc0, 0x1f, 0xda, 0x01, 0x40, 0x16, 0xe4,
                                           0, 0, 0, 1, 0x68, 0xce, 0x3c, 0x80, 0, 0, 0, 1, 0x65, 0x88};
  static const uint8_t slice[] = {0, 0, 0, 1, 0x41, 0x9a};
  (void)renderer;
  (void)session_id;
  (void)options_json;
  (void)width;
  (void)height;
  (void)fps;
  pinhole_session *opened = calloc(1, sizeof *opened);
  if (opened == NULL) return PINHOLE_ERROR;
  /* No start code may appear by chance. */
  for (size_t i = 0; i < BYTES; i++) opened->keyframe[i] = opened->picture[i] = (uint8_t)(64 + i * 37 % 128);
  memcpy(opened->keyframe, parameter_sets, sizeof parameter_sets);
  memcpy(opened->picture, slice, sizeof slice);
  *session = opened;
  return PINHOLE_OK;
}

int32_t pinhole_request_keyframe(pinhole_session *session) {
  session->wants_keyframe = true;
  return PINHOLE_OK;
}

int32_t pinhole_render(pinhole_session *session, int64_t timestamp_us, pinhole_frame *frame) {
  bool is_keyframe = !session->is_started || session->wants_keyframe;
  session->is_started = true;
  session->wants_keyframe = false;
  frame->format = PINHOLE_FORMAT_H264;
  frame->width = 1280;
  frame->height = 720;
  frame->timestamp_us = timestamp_us;
  frame->flags = is_keyframe ? PINHOLE_FRAME_KEYFRAME : 0;
  frame->planes[0].data = is_keyframe ? session->keyframe : session->picture;
  frame->planes[0].byte_size = BYTES;
  return PINHOLE_FRAME;
}

int32_t pinhole_last_error(const pinhole_renderer *renderer, const pinhole_session *session, char *buffer,
                           size_t capacity) {
  (void)renderer;
  (void)session;
  if (capacity > 0) strncpy(buffer, "Out of memory", capacity - 1)[capacity - 1] = 0;
  return PINHOLE_OK;
}
