/*
 * The reference library with its manners taken away: {"misbehave":"name","after":30} to pinhole_open, for every session,
 * or to pinhole_session_open, for one. The first "after" calls of pinhole_render (default 30) are as they should be.
 *
 * From then on, pinhole_render:
 *   slow_once, slow_always     takes 2 s
 *   stuck                      does not return until some session is opened with {"misbehave":"release"}
 *   error_once, error_always   fails; error_mute: fails without a text
 *   end                        returns PINHOLE_END; a session that was asked again after that fails to close
 *   size_change                gives frames of half the width and height
 *   format_change              gives RGBA instead of NV12
 *   null_plane, short_stride, short_bytes, odd_size, huge_size, bad_format   gives a frame that is not one
 *   no_memory                  gives a frame where no memory is
 *   forwards                   gives a timestamp that is an hour ahead
 *   idle                       returns PINHOLE_IDLE
 *   slow_steady                takes 120 ms
 *   backwards                  gives every other time a timestamp of 100 ms before the call before
 *   overwrite                  writes into the frame, every 5 ms until the next one
 *   leak                       loses 256 KiB
 *   segfault, exit             ends the process, one way or the other
 *
 * From the beginning:
 *   audio_garbage     sound of another impossible kind at each call
 *   audio_error       pinhole_audio fails
 *   audio_drift       1 % more sound than time
 *   audio_late        the sound of 300 ms ago
 *   audio_change      another sample rate at each call
 *   message_error     pinhole_message fails
 *   message_flood     a message of PINHOLE_MESSAGE_SIZE_MAX bytes whenever it is asked for one
 *   message_lie       pinhole_poll_message says that it wrote more than there is room for
 *   one_session       a second session at the same time is refused, without a text
 *   slow_open         pinhole_session_open takes 1 s
 *   refuse_session    pinhole_session_open fails
 *   close_error       pinhole_session_close fails
 */
#define _POSIX_C_SOURCE 200809L
#include <pthread.h>
#include <stdatomic.h>
#include <time.h>

#include "good.h"

enum { NAME_SIZE = 32, LEAK_BYTES = 256 * 1024 };

typedef struct manners {
  char misbehave[NAME_SIZE];
  double after;
} manners;

typedef struct house {
  pinhole_renderer *good, *good_rgba;
  manners manners;
  atomic_int sessions;
  error_text error;
} house;

typedef struct citizen {
  house *house;
  pinhole_session *good, *other; /* other: of another size or format */
  manners manners;
  int renders, audios;
  bool ended, asked_again;
  int64_t newest_us;
  uint8_t *overwritten;
  pthread_t writer;
  atomic_bool written_enough;
  error_text error;
} citizen;

static atomic_bool released;

/* Volatile: the compiler knows what writing to NULL does, and would do something else. */
static int *volatile nowhere;

/* Volatile as well: memory that nobody can reach would not be taken at all. */
static void *volatile lost;

static void wait_ms(int ms) {
  struct timespec duration = {ms / 1000, ms % 1000 * 1000000L};
  nanosleep(&duration, NULL);
}

static manners read_manners(const char *json, manners inherited) {
  manners read = inherited;
  const char *at = json_open(json);
  json_member member;
  while (at != NULL && json_next(&at, &member) == JSON_MEMBER) {
    if (json_is(member.name, "\"after\"")) json_number(member.value, 0, 1e6, &read.after);
    if (json_is(member.name, "\"misbehave\"") && member.value.length < NAME_SIZE + 2) {
      snprintf(read.misbehave, NAME_SIZE, "%.*s", (int)member.value.length - 2, member.value.start + 1);
    }
  }
  return read;
}

static bool does(const manners *m, const char *name) { return strcmp(m->misbehave, name) == 0; }

PINHOLE_API uint32_t pinhole_abi_version(void) { return PINHOLE_ABI_VERSION; }

PINHOLE_API int32_t pinhole_open(const char *options_json, house **renderer) {
  house *h = calloc(1, sizeof *h);
  h->manners = read_manners(options_json, (manners){"", 30});
  good_open("{}", &h->good);
  good_open("{\"format\":\"rgba\"}", &h->good_rgba);
  *renderer = h;
  return PINHOLE_OK;
}

PINHOLE_API int32_t pinhole_close(house *h) {
  good_close(h->good);
  good_close(h->good_rgba);
  free(h);
  return PINHOLE_OK;
}

PINHOLE_API int32_t pinhole_session_open(house *h, const char *session_id, const char *options_json, uint32_t width,
                                         uint32_t height, uint32_t fps, citizen **session) {
  manners chosen = read_manners(options_json, h->manners);
  if (does(&chosen, "release")) released = true;
  if (does(&chosen, "slow_open")) wait_ms(1000);
  if (does(&chosen, "refuse_session")) return fail(&h->error, "No model for this one");
  if (does(&chosen, "one_session") && h->sessions > 0) return PINHOLE_ERROR;
  citizen *c = calloc(1, sizeof *c);
  c->house = h;
  c->manners = chosen;
  int32_t status = good_session_open(h->good, session_id, "{}", width, height, fps, &c->good);
  if (status != PINHOLE_OK) {
    h->error = h->good->error;
    free(c);
    return status;
  }
  bool smaller = does(&chosen, "size_change");
  good_session_open(smaller ? h->good : h->good_rgba, session_id, "{}", smaller ? (width / 4 + 1) * 2 : width,
                    smaller ? (height / 4 + 1) * 2 : height, fps, &c->other);
  h->sessions++;
  *session = c;
  return PINHOLE_OK;
}

static void *keep_writing(void *of) {
  citizen *c = of;
  for (int value = 0; !c->written_enough; value++) {
    wait_ms(5);
    memset(c->overwritten, value, 64);
  }
  return NULL;
}

static void stop_writing(citizen *c) {
  if (c->overwritten == NULL) return;
  c->written_enough = true;
  pthread_join(c->writer, NULL);
  c->written_enough = false;
  c->overwritten = NULL;
}

PINHOLE_API int32_t pinhole_session_close(citizen *c) {
  int32_t status = does(&c->manners, "close_error") ? -5 : c->asked_again ? -6 : PINHOLE_OK;
  stop_writing(c);
  c->house->sessions--;
  good_session_close(c->good);
  good_session_close(c->other);
  free(c);
  return status;
}

/* What is wrong with the frame. */
static void spoil(citizen *c, pinhole_frame *frame) {
  const manners *m = &c->manners;
  if (does(m, "null_plane")) frame->planes[1].data = NULL;
  if (does(m, "no_memory")) frame->planes[0].data = (const uint8_t *)64;
  if (does(m, "short_stride")) frame->planes[0].stride_bytes = frame->width / 2;
  if (does(m, "short_bytes")) frame->planes[0].byte_size = 100;
  if (does(m, "odd_size")) frame->width--;
  if (does(m, "huge_size")) frame->height = 1000000;
  if (does(m, "bad_format")) frame->format = 99;
  if (does(m, "forwards")) frame->timestamp_us += 3600000000;
  bool every_other = c->renders % 2 == 0;
  if (does(m, "backwards") && every_other) frame->timestamp_us = c->newest_us > 100000 ? c->newest_us - 100000 : 1;
  if (does(m, "overwrite")) {
    c->overwritten = (uint8_t *)frame->planes[0].data;
    pthread_create(&c->writer, NULL, keep_writing, c);
  }
}

/* What is wrong with the call; PINHOLE_FRAME when it goes on. */
static int32_t misbehave(citizen *c, bool first) {
  const manners *m = &c->manners;
  if (does(m, "slow_always") || (first && does(m, "slow_once"))) wait_ms(2000);
  while (does(m, "stuck") && !released) wait_ms(5);
  if (does(m, "error_always") || (first && does(m, "error_once"))) return fail(&c->error, "The model fell over");
  if (does(m, "slow_steady")) wait_ms(120);
  if (does(m, "error_mute")) return -8;
  if (does(m, "idle")) return PINHOLE_IDLE;
  if (does(m, "end")) {
    c->asked_again = c->ended;
    c->ended = true;
    return PINHOLE_END;
  }
  if (does(m, "segfault")) *nowhere = 1;
  if (does(m, "exit")) exit(3);
  if (does(m, "leak")) {
    lost = malloc(LEAK_BYTES);
    memset(lost, c->renders, LEAK_BYTES);
  }
  return PINHOLE_FRAME;
}

PINHOLE_API int32_t pinhole_render(citizen *c, int64_t timestamp_us, pinhole_frame *frame) {
  stop_writing(c);
  int late = c->renders++ - (int)c->manners.after;
  int32_t status = late < 0 ? PINHOLE_FRAME : misbehave(c, late == 0);
  if (status != PINHOLE_FRAME) return status;
  bool changed = late >= 0 && (does(&c->manners, "size_change") || does(&c->manners, "format_change"));
  pinhole_session *good = changed ? c->other : c->good;
  status = good_render(good, timestamp_us, frame);
  if (status < 0) c->error = good->error;
  if (status == PINHOLE_FRAME && late >= 0) spoil(c, frame);
  c->newest_us = timestamp_us;
  return status;
}

static void spoil_audio(citizen *c, pinhole_audio_chunk *audio) {
  switch (c->audios++ % 6) {
    case 0: audio->sample_rate = 0; break;
    case 1: audio->sample_rate = 1000000; break;
    case 2: audio->channels = 7; break;
    case 3: audio->samples = NULL; break;
    case 4: audio->sample_count = 0xffffffff; break;
    default: audio->timestamp_us = 1; break;
  }
}

PINHOLE_API int32_t pinhole_audio(citizen *c, int64_t timestamp_us, pinhole_audio_chunk *audio) {
  const manners *m = &c->manners;
  if (does(m, "audio_error")) return fail(&c->error, "The voice is gone");
  if (does(m, "audio_drift")) timestamp_us += timestamp_us / 100;
  if (does(m, "audio_late")) timestamp_us = timestamp_us > 300000 ? timestamp_us - 300000 : 0;
  if (does(m, "audio_change")) {
    tone *t = &c->good->tone;
    t->given = t->sample_rate == 48000 ? t->given / 3 : t->given * 3;
    t->sample_rate = t->sample_rate == 48000 ? 16000 : 48000;
  }
  int32_t status = good_audio(c->good, timestamp_us, audio);
  /* The first moment would be taken for none. */
  if (does(m, "audio_late") && audio->timestamp_us == 0) audio->timestamp_us = 1;
  if (does(m, "audio_drift")) audio->timestamp_us = 0;
  if (does(m, "audio_garbage") && audio->sample_count > 0) spoil_audio(c, audio);
  return status;
}

PINHOLE_API int32_t pinhole_message(citizen *c, const uint8_t *data, size_t length) {
  if (does(&c->manners, "message_error")) return fail(&c->error, "No letters, please");
  int32_t status = good_message(c->good, data, length);
  if (status < 0) c->error = c->good->error;
  return status;
}

PINHOLE_API int32_t pinhole_poll_message(citizen *c, uint8_t *buffer, size_t capacity) {
  if (does(&c->manners, "message_lie")) return (int32_t)capacity + 1;
  if (does(&c->manners, "message_flood")) {
    memset(buffer, 'x', PINHOLE_MESSAGE_SIZE_MAX);
    return PINHOLE_MESSAGE_SIZE_MAX;
  }
  return good_poll_message(c->good, buffer, capacity);
}

PINHOLE_API int32_t pinhole_last_error(const house *h, const citizen *c, char *buffer, size_t capacity) {
  return copy_error(c != NULL ? &c->error : h != NULL ? &h->error : &open_error, buffer, capacity);
}
