/*
 * Sound for the scene: a soft tone while the picture flashes, silence otherwise. The samples depend only on their
 * position on the timeline, so tone and flash begin at the same microsecond, whenever the calls come.
 */
#ifndef PINHOLE_TONE_H
#define PINHOLE_TONE_H

#include <math.h>
#include <stdlib.h>

#include "include/pinhole.h"
#include "scene.h"
#include "settings.h"

/* Maximum chunk, in seconds: after a longer pause, the caller gets only the end of it. */
enum { TONE_PIECE_SECONDS = 1 };

typedef struct tone {
  int64_t sample_rate; /* 0: no sound */
  int64_t channels;
  int64_t given; /* samples per channel since the session began, whether they were heard or left out */
  int16_t *samples;
} tone;

/* Returns false if there is no memory. */
static inline bool tone_open(tone *t, const settings *s) {
  t->sample_rate = s->audio ? (int64_t)s->sample_rate : 0;
  t->channels = (int64_t)s->channels;
  t->given = 0;
  t->samples = (int16_t *)malloc((size_t)(48000 * 2 * TONE_PIECE_SECONDS) * sizeof(int16_t));
  return t->samples != NULL;
}

static inline int16_t tone_sample(const tone *t, int64_t index) {
  int64_t place = index % t->sample_rate;
  int64_t end = t->sample_rate * SCENE_FLASH_US / SCENE_SECOND_US;
  if (place >= end) return 0;
  /* Fade in and out over 2 ms, to avoid clicks. */
  double edge = (double)t->sample_rate * .002;
  double near = (double)(place < end - place ? place : end - place) / edge;
  double envelope = near < 1 ? near : 1;
  return (int16_t)(8192 * envelope * sin((double)place / (double)t->sample_rate * 1000 * SCENE_TAU));
}

/* whole * numerator / denominator, without overflow. */
static inline int64_t tone_scale(int64_t whole, int64_t numerator, int64_t denominator) {
  return whole / denominator * numerator + whole % denominator * numerator / denominator;
}

/* Describes the sound since the last call, up to timestamp_us; silent: returns no samples. */
static inline void tone_next(tone *t, int64_t timestamp_us, bool silent, pinhole_audio_chunk *audio) {
  int64_t end = tone_scale(timestamp_us, t->sample_rate, SCENE_SECOND_US);
  if (silent && end > t->given) t->given = end;
  if (t->given < end - t->sample_rate * TONE_PIECE_SECONDS) t->given = end - t->sample_rate * TONE_PIECE_SECONDS;
  if (end <= t->given) return;
  int16_t *at = t->samples;
  for (int64_t i = t->given; i < end; i++) {
    int16_t value = tone_sample(t, i);
    for (int64_t channel = 0; channel < t->channels; channel++) *at++ = value;
  }
  audio->sample_rate = (uint32_t)t->sample_rate;
  audio->channels = (uint32_t)t->channels;
  audio->sample_count = (uint32_t)(end - t->given);
  audio->timestamp_us = tone_scale(t->given, SCENE_SECOND_US, t->sample_rate);
  audio->samples = t->samples;
  t->given = end;
}

#endif
