/*
 * A renderer that does what its options say, mostly wrong: {"fault":"name"}, to pinhole_open or pinhole_session_open.
 * Without a fault its frames are 16x8 NV12, all of one luma.
 *
 * -DVERSION=n          the ABI version
 * -DWITHOUT_VERSION    leaves out pinhole_abi_version
 * -DWITHOUT_RENDER     leaves out pinhole_render and pinhole_session_close
 * -DCRASH_ON_LOAD      ends the process when it is loaded
 * -DWITH_MESSAGES      takes messages; the first byte of each is the luma from then on
 */
#define _POSIX_C_SOURCE 199309L
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "pinhole.h"

#ifndef VERSION
#define VERSION PINHOLE_ABI_VERSION
#endif

enum { WIDTH = 16, HEIGHT = 8 };

struct pinhole_renderer {
  char fault[32];
  char error[128];
};

struct pinhole_session {
  char id[65];
  char fault[32];
  char error[128];
  atomic_bool busy;
  uint8_t luma;
  uint8_t pixels[WIDTH * HEIGHT * 3 / 2];
};

static char open_error[128];

/* Calls on one session that overlapped; pinhole_close fails when there were any. */
static atomic_int overlaps;

static void read_fault(const char *json, char fault[32]) {
  if (sscanf(json, "{\"fault\":\"%31[a-z0-9_]\"", fault) != 1) fault[0] = '\0';
}

static bool is(const char *fault, const char *name) { return strcmp(fault, name) == 0; }

static void wait_ms(int ms) {
  struct timespec duration = {0, ms * 1000000L};
  nanosleep(&duration, NULL);
}

#ifndef WITHOUT_VERSION
uint32_t pinhole_abi_version(void) { return VERSION; }
#endif

#ifdef CRASH_ON_LOAD
__attribute__((constructor)) static void crash(void) { abort(); }
#endif

int32_t pinhole_open(const char *options_json, pinhole_renderer **renderer) {
  char fault[32];
  read_fault(options_json, fault);
  if (is(fault, "open_error")) {
    snprintf(open_error, sizeof open_error, "No such device: %s", options_json);
    return -7;
  }
  if (is(fault, "open_crash")) abort();
  if (is(fault, "open_nothing")) return PINHOLE_OK;
  /* Until the file that the variable OPENS_WITH names is there. */
  if (is(fault, "open_waits")) {
    while (access(getenv("OPENS_WITH"), F_OK) != 0) wait_ms(10);
  }
  *renderer = calloc(1, sizeof **renderer);
  strcpy((*renderer)->fault, fault);
  return PINHOLE_OK;
}

int32_t pinhole_close(pinhole_renderer *renderer) {
  bool fails = is(renderer->fault, "close_error");
  free(renderer);
  if (atomic_exchange(&overlaps, 0) > 0) return -100;
  return fails ? -9 : PINHOLE_OK;
}

int32_t pinhole_session_open(pinhole_renderer *renderer, const char *session_id, const char *options_json,
                             uint32_t width, uint32_t height, uint32_t fps, pinhole_session **session) {
  char fault[32];
  read_fault(options_json, fault);
  if (is(fault, "session_error")) {
    /* Long enough for another opening to come in between, if openings overlapped. */
    snprintf(renderer->error, sizeof renderer->error, "No place for %s at %ux%u, %u fps", session_id, width, height,
             fps);
    wait_ms(5);
    return PINHOLE_ERROR;
  }
  if (is(fault, "session_nothing")) return PINHOLE_OK;
  *session = calloc(1, sizeof **session);
  strcpy((*session)->fault, fault);
  strcpy((*session)->id, session_id);
  return PINHOLE_OK;
}

#ifndef WITHOUT_RENDER
/* Sessions that wait in pinhole_render for another one to be there too. */
static atomic_int meeting;

static void enter(pinhole_session *session) {
  if (atomic_exchange(&session->busy, true)) overlaps++;
}

static int32_t leave(pinhole_session *session, int32_t status) {
  session->busy = false;
  return status;
}

int32_t pinhole_session_close(pinhole_session *session) {
  enter(session);
  free(session);
  return PINHOLE_OK;
}

static void fill_frame(pinhole_session *session, int64_t timestamp_us, pinhole_frame *frame) {
  memset(session->pixels, session->luma, WIDTH * HEIGHT);
  memset(session->pixels + WIDTH * HEIGHT, 128, WIDTH * HEIGHT / 2);
  frame->format = PINHOLE_FORMAT_NV12;
  frame->width = WIDTH;
  frame->height = HEIGHT;
  frame->timestamp_us = timestamp_us;
  frame->planes[0] = (pinhole_plane){session->pixels, WIDTH * HEIGHT, WIDTH, 0};
  frame->planes[1] = (pinhole_plane){session->pixels + WIDTH * HEIGHT, WIDTH * HEIGHT / 2, WIDTH, 0};
}

static void spoil_frame(const char *fault, pinhole_frame *frame) {
  if (is(fault, "untouched")) memset(frame, 0, sizeof *frame);
  if (is(fault, "unknown_format")) frame->format = 99;
  if (is(fault, "h264")) frame->format = PINHOLE_FORMAT_H264;
  if (is(fault, "odd_width")) frame->width = WIDTH - 1;
  if (is(fault, "zero_height")) frame->height = 0;
  if (is(fault, "huge_width")) frame->width = 0xfffffffe;
  if (is(fault, "null_plane")) frame->planes[1].data = NULL;
  if (is(fault, "short_stride")) frame->planes[0].stride_bytes = WIDTH - 1;
  if (is(fault, "short_plane")) frame->planes[1].byte_size--;
  if (is(fault, "no_timestamp")) frame->timestamp_us = 0;
  if (is(fault, "negative_timestamp")) frame->timestamp_us = -1;
  if (is(fault, "own_timestamp")) frame->timestamp_us -= 500;
  if (is(fault, "wrong_struct_size") && frame->struct_size != sizeof *frame) frame->format = 0;
}

static int32_t render(pinhole_session *session, int64_t timestamp_us, pinhole_frame *frame) {
  const char *fault = session->fault;
  if (is(fault, "idle")) return PINHOLE_IDLE;
  if (is(fault, "end")) return PINHOLE_END;
  if (is(fault, "odd_status")) return 3;
  if (is(fault, "error") || is(fault, "long_error")) {
    snprintf(session->error, sizeof session->error, "Lost the device\n\tof %s", session->id);
    wait_ms(5);
    return -42;
  }
  if (is(fault, "slow")) wait_ms(50);
  if (is(fault, "meet")) {
    meeting++;
    for (int waited = 0; meeting < 2 && waited < 5000; waited += 5) wait_ms(5);
    if (meeting < 2) return PINHOLE_IDLE;
  }
  fill_frame(session, timestamp_us, frame);
  spoil_frame(fault, frame);
  return PINHOLE_FRAME;
}

int32_t pinhole_render(pinhole_session *session, int64_t timestamp_us, pinhole_frame *frame) {
  enter(session);
  return leave(session, render(session, timestamp_us, frame));
}
#endif

#ifdef WITH_MESSAGES
int32_t pinhole_message(pinhole_session *session, const uint8_t *data, size_t length) {
  enter(session);
  if (length == 0) {
    snprintf(session->error, sizeof session->error, "An empty message");
    return leave(session, PINHOLE_ERROR);
  }
  session->luma = data[0];
  return leave(session, PINHOLE_OK);
}
#endif

int32_t pinhole_last_error(const pinhole_renderer *renderer, const pinhole_session *session, char *buffer,
                           size_t capacity) {
  if (session != NULL && is(session->fault, "long_error")) {
    memset(buffer, 'x', capacity);
    return PINHOLE_OK;
  }
  const char *text = session != NULL ? session->error : renderer != NULL ? renderer->error : open_error;
  snprintf(buffer, capacity, "%s", text);
  return PINHOLE_OK;
}
