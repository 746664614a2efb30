/*
 * Options that both reference libraries have:
 *
 *   audio         true (default) or false: no sound
 *   sample_rate   samples per second, 8000 to 48000 (default 48000)
 *   channels      1 (default) or 2
 *   idle_after_s  seconds of pictures in each cycle, and
 *   idle_for_s    seconds of PINHOLE_IDLE after them; together or not at all
 */
#ifndef PINHOLE_SETTINGS_H
#define PINHOLE_SETTINGS_H

#include "error_text.h"
#include "flat_json.h"

#define SETTINGS_NAMES "audio, sample_rate, channels, idle_after_s, idle_for_s"

typedef struct settings {
  bool audio;
  double sample_rate, channels;
  double idle_after_s, idle_for_s; /* 0: never idle */
} settings;

static inline settings settings_default(void) {
  settings s = {true, 48000, 1, 0, 0};
  return s;
}

/* Parses the numeric options above. */
static inline int32_t settings_number(const json_member *member, double min, double max, bool whole, double *number,
                                      error_text *error) {
  double value;
  if (json_number(member->value, min, max, &value) && (!whole || value == (double)(int32_t)value)) {
    *number = value;
    return PINHOLE_OK;
  }
  return fail(error, "Option %.*s is %.*s: use a %snumber from %g to %g", (int)member->name.length, member->name.start,
              (int)member->value.length, member->value.start, whole ? "whole " : "", min, max);
}

/* Applies one option. Returns PINHOLE_OK, 1 if it is not one of these, or PINHOLE_ERROR. */
static inline int32_t settings_take(settings *s, const json_member *member, error_text *error) {
  json_part name = member->name;
  if (json_is(name, "\"audio\"")) {
    s->audio = json_is(member->value, "true");
    if (s->audio || json_is(member->value, "false")) return PINHOLE_OK;
    return fail(error, "Option \"audio\" is %.*s: use true or false", (int)member->value.length, member->value.start);
  }
  if (json_is(name, "\"sample_rate\"")) return settings_number(member, 8000, 48000, true, &s->sample_rate, error);
  if (json_is(name, "\"channels\"")) return settings_number(member, 1, 2, true, &s->channels, error);
  if (json_is(name, "\"idle_after_s\"")) return settings_number(member, .1, 86400, false, &s->idle_after_s, error);
  if (json_is(name, "\"idle_for_s\"")) return settings_number(member, .1, 86400, false, &s->idle_for_s, error);
  return 1;
}

/* Checks the combination of all options. */
static inline int32_t settings_check(const settings *s, error_text *error) {
  if ((s->idle_after_s > 0) == (s->idle_for_s > 0)) return PINHOLE_OK;
  return fail(error, "Options \"idle_after_s\" and \"idle_for_s\" need each other");
}

/* Whether the session is idle at a time. */
static inline bool settings_idle_at(const settings *s, int64_t timestamp_us) {
  if (s->idle_for_s == 0) return false;
  int64_t after_us = (int64_t)(s->idle_after_s * 1e6);
  int64_t cycle_us = after_us + (int64_t)(s->idle_for_s * 1e6);
  return timestamp_us % cycle_us >= after_us;
}

#endif
