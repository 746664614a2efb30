/*
 * A renderer that brings its process down when its options or a session's params say so: {"fault":"name"}. Its
 * pictures are NV12 of the size that the session asks for; every byte of one is its number, modulo 256.
 *
 *   crash_open       in pinhole_open               (options)
 *   refuse_open      fails to open                 (options)
 *   crash_session    in pinhole_session_open       (params)
 *   refuse_session   fails to open a session       (params)
 *   crash_render     in the fifth pinhole_render   (params)
 *   abort_render     the same, by abort            (params)
 *   exit_render      the same, by exit(7)          (params)
 *   stick            never returns from the fifth  (params)
 *   encode           none, but its pictures are access units: their number, then the bitrate, four bytes each
 *
 * A message "crash" crashes it in pinhole_message; others come back by pinhole_poll_message.
 */
#define _POSIX_C_SOURCE 200809L
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "pinhole.h"

struct pinhole_renderer {
  int unused;
};

struct pinhole_session {
  char fault[32];
  uint32_t width, height;
  uint32_t number;
  int64_t heard_us;
  uint32_t bits_per_second;
  bool keyframe_wanted;
  uint8_t *buffers[2];
  uint8_t message[256];
  size_t message_length;
  int16_t samples[48000];
};

static const char *error_text = "";

static void read_fault(const char *json, char fault[32]) {
  if (sscanf(json, "{\"fault\":\"%31[a-z_]\"", fault) != 1) fault[0] = '\0';
}

static bool is(const char *fault, const char *name) { return strcmp(fault, name) == 0; }

static void crash(void) {
  volatile int *nowhere = NULL;
  *nowhere = 1;
}

uint32_t pinhole_abi_version(void) { return PINHOLE_ABI_VERSION; }

int32_t pinhole_open(const char *options_json, pinhole_renderer **renderer) {
  char fault[32];
  read_fault(options_json, fault);
  if (is(fault, "crash_open")) crash();
  if (is(fault, "refuse_open")) {
    error_text = "No such device";
    return PINHOLE_ERROR;
  }
  *renderer = calloc(1, sizeof **renderer);
  return PINHOLE_OK;
}

int32_t pinhole_close(pinhole_renderer *renderer) {
  free(renderer);
  return PINHOLE_OK;
}

int32_t pinhole_session_open(pinhole_renderer *renderer, const char *session_id, const char *options_json,
                             uint32_t width, uint32_t height, uint32_t fps, pinhole_session **session) {
  (void)renderer;
  (void)session_id;
  (void)fps;
  char fault[32];
  read_fault(options_json, fault);
  if (is(fault, "crash_session")) crash();
  if (is(fault, "refuse_session")) {
    error_text = "No place";
    return PINHOLE_ERROR;
  }
  pinhole_session *opened = calloc(1, sizeof *opened);
  memcpy(opened->fault, fault, sizeof fault);
  opened->width = width;
  opened->height = height;
  opened->buffers[0] = malloc((size_t)width * height * 3 / 2);
  opened->buffers[1] = malloc((size_t)width * height * 3 / 2);
  *session = opened;
  return PINHOLE_OK;
}

int32_t pinhole_session_close(pinhole_session *session) {
  free(session->buffers[0]);
  free(session->buffers[1]);
  free(session);
  return PINHOLE_OK;
}

static void misbehave(const pinhole_session *session) {
  if (session->number < 5) return;
  if (is(session->fault, "crash_render")) crash();
  if (is(session->fault, "abort_render")) abort();
  if (is(session->fault, "exit_render")) _exit(7);
  while (is(session->fault, "stick")) pause();
}

static int32_t encode(pinhole_session *session, pinhole_frame *frame) {
  uint8_t *out = session->buffers[session->number % 2];
  frame->format = PINHOLE_FORMAT_H264;
  frame->flags = session->number == 0 || session->keyframe_wanted ? PINHOLE_FRAME_KEYFRAME : 0;
  memcpy(out, &session->number, 4);
  memcpy(out + 4, &session->bits_per_second, 4);
  frame->planes[0] = (pinhole_plane){out, 8, 0, 0};
  session->keyframe_wanted = false;
  session->number++;
  return PINHOLE_FRAME;
}

int32_t pinhole_set_bitrate(pinhole_session *session, uint32_t bits_per_second) {
  session->bits_per_second = bits_per_second;
  return PINHOLE_OK;
}

int32_t pinhole_request_keyframe(pinhole_session *session) {
  session->keyframe_wanted = true;
  return PINHOLE_OK;
}

int32_t pinhole_render(pinhole_session *session, int64_t timestamp_us, pinhole_frame *frame) {
  misbehave(session);
  if (is(session->fault, "encode")) return encode(session, frame);
  size_t luma = (size_t)session->width * session->height;
  uint8_t *out = session->buffers[session->number % 2];
  memset(out, (int)(session->number++ % 256), luma * 3 / 2);
  frame->format = PINHOLE_FORMAT_NV12;
  frame->width = session->width;
  frame->height = session->height;
  frame->timestamp_us = timestamp_us;
  frame->planes[0] = (pinhole_plane){out, luma, session->width, 0};
  frame->planes[1] = (pinhole_plane){out + luma, luma / 2, session->width, 0};
  return PINHOLE_FRAME;
}

int32_t pinhole_audio(pinhole_session *session, int64_t timestamp_us, pinhole_audio_chunk *audio) {
  int64_t count = (timestamp_us - session->heard_us) * 16 / 1000;
  if (count <= 0 || count > 48000) count = 0;
  for (int64_t i = 0; i < count; i++) session->samples[i] = (int16_t)i;
  audio->sample_rate = 16000;
  audio->channels = 1;
  audio->sample_count = (uint32_t)count;
  audio->timestamp_us = session->heard_us;
  audio->samples = session->samples;
  session->heard_us = timestamp_us;
  return PINHOLE_OK;
}

int32_t pinhole_message(pinhole_session *session, const uint8_t *data, size_t length) {
  if (length == 5 && memcmp(data, "crash", 5) == 0) crash();
  session->message_length = length < sizeof session->message ? length : sizeof session->message;
  memcpy(session->message, data, session->message_length);
  return PINHOLE_OK;
}

int32_t pinhole_poll_message(pinhole_session *session, uint8_t *buffer, size_t capacity) {
  size_t length = session->message_length < capacity ? session->message_length : capacity;
  memcpy(buffer, session->message, length);
  session->message_length = 0;
  return (int32_t)length;
}

int32_t pinhole_last_error(const pinhole_renderer *renderer, const pinhole_session *session, char *buffer,
                           size_t capacity) {
  (void)renderer;
  (void)session;
  snprintf(buffer, capacity, "%s", error_text);
  return PINHOLE_OK;
}
