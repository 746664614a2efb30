/* Messages of one session: pointer messages are handled, all others are queued here to be returned. */
#ifndef PINHOLE_MAILBOX_H
#define PINHOLE_MAILBOX_H

#include <stdlib.h>
#include <string.h>

#include "error_text.h"
#include "flat_json.h"
#include "scene.h"

enum { MAILBOX_PLACES = 16, MAILBOX_JSON_MAX = 255 };

typedef struct mailbox {
  uint8_t *data[MAILBOX_PLACES];
  size_t length[MAILBOX_PLACES];
  unsigned first, count;
} mailbox;

static inline int32_t mailbox_put(mailbox *box, const void *data, size_t length, error_text *error) {
  if (length == 0) return PINHOLE_OK;
  if (length > PINHOLE_MESSAGE_SIZE_MAX) return fail(error, "A message of %zu bytes is too long", length);
  if (box->count == MAILBOX_PLACES) return fail(error, "%d messages wait already", MAILBOX_PLACES);
  uint8_t *copy = (uint8_t *)malloc(length);
  if (copy == NULL) return fail(error, "Out of memory");
  memcpy(copy, data, length);
  unsigned place = (box->first + box->count++) % MAILBOX_PLACES;
  box->data[place] = copy;
  box->length[place] = length;
  return PINHOLE_OK;
}

/* Takes the oldest message, for pinhole_poll_message. */
static inline int32_t mailbox_take(mailbox *box, uint8_t *buffer, size_t capacity, error_text *error) {
  if (box->count == 0) return 0;
  unsigned place = box->first;
  size_t length = box->length[place];
  if (length > capacity) return fail(error, "%zu bytes are too few for a message of %zu", capacity, length);
  memcpy(buffer, box->data[place], length);
  free(box->data[place]);
  box->first = (place + 1) % MAILBOX_PLACES;
  box->count--;
  return (int32_t)length;
}

static inline void mailbox_close(mailbox *box) {
  for (; box->count > 0; box->count--) free(box->data[(box->first + box->count - 1) % MAILBOX_PLACES]);
}

/* A parsed message of the form {"type":"…","x":0.5,"y":0.5}; empty for any other message. */
typedef struct mailbox_event {
  bool is_pointer, asks_figures;
  scene_pointer pointer;
} mailbox_event;

static inline mailbox_event mailbox_read(const uint8_t *data, size_t length) {
  mailbox_event none = {false, false, {false, 0, 0}};
  if (length > MAILBOX_JSON_MAX) return none;
  char text[MAILBOX_JSON_MAX + 1] = {0};
  if (length > 0) memcpy(text, data, length);
  const char *at = strlen(text) == length ? json_open(text) : NULL;
  if (at == NULL) return none;
  mailbox_event event = none;
  event.pointer.x = event.pointer.y = -1;
  json_member member;
  enum json_step step;
  while ((step = json_next(&at, &member)) == JSON_MEMBER) {
    if (json_is(member.name, "\"type\"")) {
      event.is_pointer = json_is(member.value, "\"pointer\"");
      event.asks_figures = json_is(member.value, "\"figures\"");
    }
    if (json_is(member.name, "\"x\"")) json_number(member.value, 0, 1, &event.pointer.x);
    if (json_is(member.name, "\"y\"")) json_number(member.value, 0, 1, &event.pointer.y);
  }
  event.pointer.given = event.pointer.x >= 0 && event.pointer.y >= 0;
  event.is_pointer = event.is_pointer && event.pointer.given;
  return step == JSON_END ? event : none;
}

#endif
