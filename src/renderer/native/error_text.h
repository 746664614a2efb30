/* The text for pinhole_last_error: one for each object, because calls come on many threads. */
#ifndef PINHOLE_ERROR_TEXT_H
#define PINHOLE_ERROR_TEXT_H

#include <stdarg.h>
#include <stdio.h>

#include "include/pinhole.h"

typedef struct error_text {
  char text[PINHOLE_ERROR_TEXT_SIZE];
} error_text;

/* Writes the text. Returns PINHOLE_ERROR, for the caller to return. */
#if defined(__GNUC__)
__attribute__((format(printf, 2, 3)))
#endif
static inline int32_t fail(error_text *error, const char *format, ...) {
  va_list values;
  va_start(values, format);
  vsnprintf(error->text, sizeof error->text, format, values);
  va_end(values);
  return PINHOLE_ERROR;
}

/* Copies the text for pinhole_last_error: truncated to the capacity, with the final 0. */
static inline int32_t copy_error(const error_text *error, char *buffer, size_t capacity) {
  snprintf(buffer, capacity, "%s", error->text);
  return PINHOLE_OK;
}

#endif
