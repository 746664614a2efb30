/*
 * Parses JSON objects whose values are strings, numbers, true, false or null, which is enough for options and pointer
 * messages. For more complex options use a JSON library.
 */
#ifndef PINHOLE_FLAT_JSON_H
#define PINHOLE_FLAT_JSON_H

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

/* Part of the text, not 0-terminated. */
typedef struct json_part {
  const char *start;
  size_t length;
} json_part;

/* Both as written: with the quotation marks of strings, and escapes not resolved. */
typedef struct json_member {
  json_part name, value;
} json_member;

enum json_step { JSON_MEMBER, JSON_END, JSON_BAD };

static inline const char *json_space(const char *at) { return at + strspn(at, " \t\r\n"); }

/* Length of the string or word that begins here; 0 if none does. */
static inline size_t json_length(const char *at) {
  if (*at != '"') return strcspn(at, "\"{}[]:, \t\r\n");
  size_t length = 1;
  while (at[length] != '"') {
    if (at[length] == '\\') length++;
    if (at[length] == '\0') return 0;
    length++;
  }
  return length + 1;
}

/* Start of the first member of an object; NULL if the text is not an object. */
static inline const char *json_open(const char *text) {
  const char *at = json_space(text);
  return *at == '{' ? json_space(at + 1) : NULL;
}

/* Reads the member at *at and moves on to the next one. */
static inline enum json_step json_next(const char **at, json_member *member) {
  const char *here = *at;
  if (*here == '}') return *json_space(here + 1) == '\0' ? JSON_END : JSON_BAD;
  member->name.start = here;
  member->name.length = *here == '"' ? json_length(here) : 0;
  if (member->name.length == 0) return JSON_BAD;
  here = json_space(here + member->name.length);
  if (*here != ':') return JSON_BAD;
  here = json_space(here + 1);
  member->value.start = here;
  member->value.length = json_length(here);
  if (member->value.length == 0) return JSON_BAD;
  here = json_space(here + member->value.length);
  if (*here == ',') {
    here = json_space(here + 1);
    if (*here == '}') return JSON_BAD;
  } else if (*here != '}') {
    return JSON_BAD;
  }
  *at = here;
  return JSON_MEMBER;
}

/* Whether a part equals this text; strings include their quotation marks. */
static inline bool json_is(json_part part, const char *text) {
  return part.length == strlen(text) && memcmp(part.start, text, part.length) == 0;
}

/* Parses a number from min to max. Otherwise returns false and leaves *number unchanged. */
static inline bool json_number(json_part part, double min, double max, double *number) {
  /* Otherwise strtod would also accept nan, inf and 0x10. */
  if (strspn(part.start, "+-.0123456789eE") < part.length) return false;
  char *end;
  double value = strtod(part.start, &end);
  if (end != part.start + part.length || !(value >= min && value <= max)) return false;
  *number = value;
  return true;
}

#endif
