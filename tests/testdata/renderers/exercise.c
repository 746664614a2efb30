/*
 * Runs a reference library as a program, so that sanitizers see its memory: unusual sizes, all formats, sound and
 * messages, and texts that are not what they should be.
 *
 * -DSOURCE='"reference.c"', as C, or '"reference.cu"', as C++ with the emulation of CUDA
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include SOURCE

static void options(const char *json) {
  pinhole_renderer *renderer;
  char text[32];
  if (pinhole_open(json, &renderer) == PINHOLE_OK) {
    pinhole_close(renderer);
  } else {
    pinhole_last_error(NULL, NULL, text, sizeof text);
  }
}

static void message(pinhole_session *session, const char *text) {
  /* A copy without a 0 behind it, and not a byte longer. */
  size_t length = strlen(text);
  uint8_t *copy = (uint8_t *)malloc(length + 1);
  memcpy(copy, text, length);
  uint8_t *exact = (uint8_t *)realloc(copy, length > 0 ? length : 1);
  pinhole_message(session, exact, length);
  free(exact);
}

static void stream(const char *json, uint32_t width, uint32_t height) {
  pinhole_renderer *renderer;
  pinhole_session *session;
  static uint8_t buffer[PINHOLE_MESSAGE_SIZE_MAX];
  if (pinhole_open(json, &renderer) != PINHOLE_OK) abort();
  if (pinhole_session_open(renderer, "one", "{}", width, height, 30, &session) != PINHOLE_OK) abort();
  int64_t times_us[] = {0, 33333, 999999, 1000000, 20000000, 5, INT64_MAX / 4, -1};
  for (size_t i = 0; i < sizeof times_us / sizeof *times_us; i++) {
    pinhole_frame frame;
    pinhole_audio_chunk audio;
    volatile uint8_t last;
    memset(&frame, 0, sizeof frame);
    memset(&audio, 0, sizeof audio);
    frame.struct_size = sizeof frame;
    audio.struct_size = sizeof audio;
    if (pinhole_render(session, times_us[i], &frame) == PINHOLE_FRAME) {
      for (int p = 0; p < 3; p++) {
        if (frame.planes[p].data != NULL) last = frame.planes[p].data[frame.planes[p].byte_size - 1];
      }
    }
    if (pinhole_audio(session, times_us[i], &audio) == PINHOLE_OK && audio.sample_count > 0) {
      last = (uint8_t)audio.samples[audio.sample_count * audio.channels - 1];
    }
    (void)last;
    message(session, "{\"type\":\"pointer\",\"x\":1,\"y\":1}");
    message(session, "{\"type\":\"pointer\",\"x\":0.5");
    message(session, "{\"type\":\"pointer\\");
    message(session, "{");
    message(session, "");
  }
  pinhole_message(session, NULL, 0);
  for (int i = 0; i < 5; i++) pinhole_poll_message(session, buffer, sizeof buffer);
  pinhole_poll_message(session, buffer, 1);
  pinhole_session_close(session);
  pinhole_close(renderer);
}

static void exercise(const char *json) {
  stream(json, 2, 2);
  stream(json, 2, 400);
  stream(json, 650, 366);
}

int main(void) {
  const char *texts[] = {"", "{", "{}", "{\"", "{\"a", "{\"a\\", "{\"a\"", "{\"a\":", "{\"a\":\"", "{\"a\":1", "{\"a\":1,",
                         "{\"format\":}", "{\"channels\":1e999}", "{\"sample_rate\":0x1f40}", "{\"idle_for_s\":1}"};
  const char *audio[] = {"{}", "{\"sample_rate\":8000,\"channels\":2}", "{\"audio\":false}",
                         "{\"idle_after_s\":0.5,\"idle_for_s\":0.25}"};
  const char *formats[] = {"{\"format\":\"i420\"}", "{\"format\":\"rgba\"}", "{\"format\":\"bgr24\"}"};
  size_t format_count = strcmp(SOURCE, "reference.c") == 0 ? sizeof formats / sizeof *formats : 0;
  for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) options(texts[i]);
  for (size_t i = 0; i < sizeof audio / sizeof *audio; i++) exercise(audio[i]);
  for (size_t i = 0; i < format_count; i++) exercise(formats[i]);
  puts("done");
  return 0;
}
