/*
 * The reference renderer on the CPU: a complete library for pinhole.h, in plain C11 with libc and libm.
 *
 *   cc -std=c11 -O2 -shared -fPIC -o libreference.so reference.c -lm
 *
 * Option: format, one of nv12 (default), i420, rgba, bgr24.
 *
 * Each picture carries a block code with its number and the time at which it was drawn.
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "block_code.h"
#include "pinhole.h"
#include "scene.h"

typedef struct format {
  const char *name;
  uint32_t code;
  int bytes_per_pixel; /* of the first plane */
} format;

static const format FORMATS[] = {
    {"nv12", PINHOLE_FORMAT_NV12, 1},
    {"i420", PINHOLE_FORMAT_I420, 1},
    {"rgba", PINHOLE_FORMAT_RGBA, 4},
    {"bgr24", PINHOLE_FORMAT_BGR24, 3},
};
static const char FORMAT_NAMES[] = "nv12, i420, rgba, bgr24";

struct pinhole_renderer {
  const format *format;
  char error[PINHOLE_ERROR_TEXT_SIZE];
};

struct pinhole_session {
  const format *format;
  scene scene;
  uint32_t frame_number;
  uint32_t stride;
  /* Two in turn: a frame stays as it is until the one after it is asked for. */
  uint8_t *buffers[2];
  char error[PINHOLE_ERROR_TEXT_SIZE];
};

/* The only text without an object: pinhole_open is called once per process. */
static char open_error[PINHOLE_ERROR_TEXT_SIZE];

static int32_t fail(char error[PINHOLE_ERROR_TEXT_SIZE], const char *text, ...) {
  va_list values;
  va_start(values, text);
  vsnprintf(error, PINHOLE_ERROR_TEXT_SIZE, text, values);
  va_end(values);
  return PINHOLE_ERROR;
}

/* ---- Options --------------------------------------------------------------------------------------------- */

static const char *skip_space(const char *at) { return at + strspn(at, " \t\r\n"); }

/* From a quotation mark to behind its partner, or NULL. Escapes are stepped over, since no option needs them. */
static const char *skip_string(const char *at) {
  for (at++; *at != '"'; at++) {
    if (*at == '\\') at++;
    if (*at == '\0') return NULL;
  }
  return at + 1;
}

/* Reads {"format":"…"}. Any other option is a mistake, and one that is named is one that is mended. */
static int32_t read_options(const char *json, const format **chosen) {
  const char *at = skip_space(json);
  if (*at++ != '{') return fail(open_error, "The options are not a JSON object");
  at = skip_space(at);
  while (*at != '}') {
    const char *key = at;
    const char *key_end = *key == '"' ? skip_string(key) : NULL;
    if (key_end == NULL) return fail(open_error, "The options are not valid JSON");
    if (strncmp(key, "\"format\"", (size_t)(key_end - key)) != 0) {
      return fail(open_error, "Unknown option %.*s: the only one is \"format\"", (int)(key_end - key), key);
    }
    at = skip_space(key_end);
    if (*at++ != ':') return fail(open_error, "The options are not valid JSON");
    const char *value = skip_space(at);
    const char *value_end = *value == '"' ? skip_string(value) : NULL;
    if (value_end == NULL) return fail(open_error, "Option \"format\" is not a string: use one of %s", FORMAT_NAMES);
    *chosen = NULL;
    for (size_t i = 0; i < sizeof FORMATS / sizeof *FORMATS; i++) {
      size_t length = strlen(FORMATS[i].name);
      if ((size_t)(value_end - value) == length + 2 && strncmp(value + 1, FORMATS[i].name, length) == 0) {
        *chosen = &FORMATS[i];
      }
    }
    if (*chosen == NULL) {
      return fail(open_error, "Unknown format %.*s: use one of %s", (int)(value_end - value), value, FORMAT_NAMES);
    }
    at = skip_space(value_end);
    if (*at == ',') {
      at = skip_space(at + 1);
    } else if (*at != '}') {
      return fail(open_error, "The options are not valid JSON");
    }
  }
  return PINHOLE_OK;
}

/* ---- Pixels ---------------------------------------------------------------------------------------------- */

static void draw_block_code(scene *s, uint32_t frame_number) {
  struct timespec now;
  timespec_get(&now, TIME_UTC);
  uint8_t bytes[BLOCK_CODE_BYTES];
  block_code_pack(bytes, frame_number, (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000);
  double cell = block_code_cell((uint32_t)s->width, (uint32_t)s->height);
  for (int row = 0; row < BLOCK_CODE_ROWS; row++) {
    for (int y = (int)(row * cell); y < (int)((row + 1) * cell); y++) {
      for (int column = 0; column < BLOCK_CODE_COLUMNS; column++) {
        uint8_t index = block_code_is_white(bytes, row, column) ? SCENE_WHITE : SCENE_BLACK;
        scene_fill(s, y, (int)(column * cell), (int)((column + 1) * cell), index);
      }
    }
  }
}

static uint8_t byte_of(double value) { return (uint8_t)(value + .5); }

/* One byte per colour and channel. */
typedef struct tables {
  uint8_t red[SCENE_COLORS], green[SCENE_COLORS], blue[SCENE_COLORS];
  uint8_t y[SCENE_COLORS], u[SCENE_COLORS], v[SCENE_COLORS];
} tables;

static void make_tables(tables *t, double seconds) {
  scene_color colors[SCENE_COLORS];
  scene_palette(colors, seconds);
  for (int i = 0; i < SCENE_COLORS; i++) {
    scene_color c = colors[i];
    t->red[i] = byte_of(255 * c.red);
    t->green[i] = byte_of(255 * c.green);
    t->blue[i] = byte_of(255 * c.blue);
    /* BT.601, limited range. */
    t->y[i] = byte_of(16 + 65.481 * c.red + 128.553 * c.green + 24.966 * c.blue);
    t->u[i] = byte_of(128 - 37.797 * c.red - 74.203 * c.green + 112 * c.blue);
    t->v[i] = byte_of(128 + 112 * c.red - 93.786 * c.green - 18.214 * c.blue);
  }
}

static void write_rgb(const pinhole_session *session, const tables *t, uint8_t *out) {
  int bytes = session->format->bytes_per_pixel;
  int bgr = session->format->code == PINHOLE_FORMAT_BGR24;
  const uint8_t *first = bgr ? t->blue : t->red;
  const uint8_t *third = bgr ? t->red : t->blue;
  for (int y = 0; y < session->scene.height; y++) {
    const uint8_t *from = session->scene.pixels + (size_t)y * session->scene.width;
    uint8_t *to = out + (size_t)y * session->stride;
    for (int x = 0; x < session->scene.width; x++, to += bytes) {
      to[0] = first[from[x]];
      to[1] = t->green[from[x]];
      to[2] = third[from[x]];
      if (bytes == 4) to[3] = 255;
    }
  }
}

/* u and v point to the first sample of each; step is the distance of two samples, chroma_stride that of two rows. */
static void write_yuv(const pinhole_session *session, const tables *t, uint8_t *out, uint8_t *u, uint8_t *v,
                      int step, uint32_t chroma_stride) {
  const scene *s = &session->scene;
  for (int y = 0; y < s->height; y++) {
    const uint8_t *from = s->pixels + (size_t)y * s->width;
    uint8_t *to = out + (size_t)y * session->stride;
    for (int x = 0; x < s->width; x++) to[x] = t->y[from[x]];
    if (y % 2 != 0) continue;
    size_t row = (size_t)y / 2 * chroma_stride;
    for (int x = 0; x < s->width / 2; x++) {
      u[row + (size_t)(x * step)] = t->u[from[2 * x]];
      v[row + (size_t)(x * step)] = t->v[from[2 * x]];
    }
  }
}

static void set_plane(pinhole_plane *plane, const uint8_t *data, uint32_t stride, uint64_t rows) {
  plane->data = data;
  plane->stride_bytes = stride;
  plane->byte_size = stride * rows;
}

static void write_frame(pinhole_session *session, const tables *t, uint8_t *out, pinhole_frame *frame) {
  uint64_t rows = (uint64_t)session->scene.height;
  uint32_t stride = session->stride;
  uint8_t *chroma = out + stride * rows;
  set_plane(&frame->planes[0], out, stride, rows);
  switch (session->format->code) {
    case PINHOLE_FORMAT_NV12:
      write_yuv(session, t, out, chroma, chroma + 1, 2, stride);
      set_plane(&frame->planes[1], chroma, stride, rows / 2);
      break;
    case PINHOLE_FORMAT_I420: {
      uint8_t *v = chroma + stride / 2 * (rows / 2);
      write_yuv(session, t, out, chroma, v, 1, stride / 2);
      set_plane(&frame->planes[1], chroma, stride / 2, rows / 2);
      set_plane(&frame->planes[2], v, stride / 2, rows / 2);
      break;
    }
    default:
      write_rgb(session, t, out);
  }
}

/* ---- The contract ---------------------------------------------------------------------------------------- */

uint32_t pinhole_abi_version(void) { return PINHOLE_ABI_VERSION; }

int32_t pinhole_open(const char *options_json, pinhole_renderer **renderer) {
  const format *chosen = &FORMATS[0];
  if (read_options(options_json, &chosen) != PINHOLE_OK) return PINHOLE_ERROR;
  pinhole_renderer *opened = calloc(1, sizeof *opened);
  if (opened == NULL) return fail(open_error, "Out of memory");
  opened->format = chosen;
  *renderer = opened;
  return PINHOLE_OK;
}

int32_t pinhole_close(pinhole_renderer *renderer) {
  free(renderer);
  return PINHOLE_OK;
}

static void free_session(pinhole_session *session) {
  free(session->scene.pixels);
  free(session->scene.ridge);
  free(session->buffers[0]);
  free(session->buffers[1]);
  free(session);
}

int32_t pinhole_session_open(pinhole_renderer *renderer, const char *session_id, const char *options_json,
                             uint32_t width, uint32_t height, uint32_t fps, pinhole_session **session) {
  (void)session_id;
  (void)options_json;
  (void)fps;
  if (width == 0 || height == 0 || width % 2 != 0 || height % 2 != 0 || width > PINHOLE_FRAME_SIDE_MAX ||
      height > PINHOLE_FRAME_SIDE_MAX) {
    return fail(renderer->error, "Cannot draw %ux%u pixels: sides are even, 2 to %d", width, height,
                PINHOLE_FRAME_SIDE_MAX);
  }
  pinhole_session *opened = calloc(1, sizeof *opened);
  if (opened == NULL) return fail(renderer->error, "Out of memory");
  opened->format = renderer->format;
  opened->scene.width = (int)width;
  opened->scene.height = (int)height;
  /* Encoders read fastest what begins at multiples of 64 bytes. */
  opened->stride = (width * (uint32_t)renderer->format->bytes_per_pixel + 127) / 128 * 128;
  /* Room for one more half of the rows: the chroma of NV12 and I420. */
  size_t bytes = (size_t)opened->stride * height * 3 / 2;
  opened->scene.pixels = malloc((size_t)width * height);
  opened->scene.ridge = malloc(width * sizeof *opened->scene.ridge);
  opened->buffers[0] = malloc(bytes);
  opened->buffers[1] = malloc(bytes);
  if (!opened->scene.pixels || !opened->scene.ridge || !opened->buffers[0] || !opened->buffers[1]) {
    free_session(opened);
    return fail(renderer->error, "Out of memory for %ux%u pixels", width, height);
  }
  *session = opened;
  return PINHOLE_OK;
}

int32_t pinhole_session_close(pinhole_session *session) {
  free_session(session);
  return PINHOLE_OK;
}

int32_t pinhole_render(pinhole_session *session, int64_t timestamp_us, pinhole_frame *frame) {
  if (timestamp_us < 0) return fail(session->error, "The timestamp %lld is negative", (long long)timestamp_us);
  double seconds = (double)timestamp_us / 1e6;
  uint8_t *out = session->buffers[session->frame_number % 2];
  tables t;
  make_tables(&t, seconds);
  scene_draw(&session->scene, seconds);
  draw_block_code(&session->scene, session->frame_number++);
  frame->format = session->format->code;
  frame->width = (uint32_t)session->scene.width;
  frame->height = (uint32_t)session->scene.height;
  frame->timestamp_us = timestamp_us;
  write_frame(session, &t, out, frame);
  return PINHOLE_FRAME;
}

int32_t pinhole_last_error(const pinhole_renderer *renderer, const pinhole_session *session, char *buffer,
                           size_t capacity) {
  const char *text = session != NULL ? session->error : renderer != NULL ? renderer->error : open_error;
  snprintf(buffer, capacity, "%s", text);
  return PINHOLE_OK;
}
