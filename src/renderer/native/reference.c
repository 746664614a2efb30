/*
 * The reference renderer on the CPU: a complete library for pinhole.h, in plain C11 with libc and libm.
 *
 *   cc -std=c11 -O2 -shared -fPIC -o libreference.so reference.c -lm
 *
 * Options: format, one of nv12 (default), i420, rgba, bgr24; and those of settings.h.
 *
 * Each picture carries a block code with its number and the time at which it was drawn. The message
 * {"type":"pointer","x":0.5,"y":0.5} moves the balloon there, relative to the picture's width and height; any other
 * message is returned by pinhole_poll_message.
 */
#include <stdlib.h>
#include <string.h>

#include "mailbox.h"
#include "painter.h"
#include "include/pinhole.h"
#include "settings.h"
#include "tone.h"

typedef struct format {
  const char *name; /* as JSON writes it */
  uint32_t code;
  int bytes_per_pixel; /* of the first plane */
} format;

static const format FORMATS[] = {
    {"\"nv12\"", PINHOLE_FORMAT_NV12, 1},
    {"\"i420\"", PINHOLE_FORMAT_I420, 1},
    {"\"rgba\"", PINHOLE_FORMAT_RGBA, 4},
    {"\"bgr24\"", PINHOLE_FORMAT_BGR24, 3},
};

struct pinhole_renderer {
  const format *format;
  settings settings;
  error_text error;
};

struct pinhole_session {
  const format *format;
  settings settings;
  canvas canvas;
  scene_pointer pointer;
  uint32_t frame_number;
  uint32_t stride;
  /* Two in turn: a frame stays unchanged until the next one is requested. */
  uint8_t *buffers[2];
  tone tone;
  mailbox mailbox;
  error_text error;
};

/* The only text without an object: pinhole_open is called once per process. */
static error_text open_error;

/* ---- Options --------------------------------------------------------------------------------------------- */

static int32_t read_format(const json_member *member, const format **chosen) {
  for (size_t i = 0; i < sizeof FORMATS / sizeof *FORMATS; i++) {
    if (!json_is(member->value, FORMATS[i].name)) continue;
    *chosen = &FORMATS[i];
    return PINHOLE_OK;
  }
  return fail(&open_error, "Unknown format %.*s: use one of nv12, i420, rgba, bgr24", (int)member->value.length,
              member->value.start);
}

/* Unknown options are errors, so that typing mistakes are noticed. */
static int32_t read_options(const char *json, pinhole_renderer *into) {
  const char *at = json_open(json);
  if (at == NULL) return fail(&open_error, "The options are not a JSON object");
  json_member member;
  enum json_step step;
  while ((step = json_next(&at, &member)) == JSON_MEMBER) {
    int32_t status = json_is(member.name, "\"format\"") ? read_format(&member, &into->format)
                                                        : settings_take(&into->settings, &member, &open_error);
    if (status < 0) return status;
    if (status > 0) {
      return fail(&open_error, "Unknown option %.*s: known are format, " SETTINGS_NAMES, (int)member.name.length,
                  member.name.start);
    }
  }
  if (step == JSON_BAD) return fail(&open_error, "The options are not a JSON object of texts, numbers, true and false");
  return settings_check(&into->settings, &open_error);
}

/* ---- Pixels ---------------------------------------------------------------------------------------------- */

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
  for (int y = 0; y < session->canvas.height; y++) {
    const uint8_t *from = session->canvas.pixels + (size_t)y * (size_t)session->canvas.width;
    uint8_t *to = out + (size_t)y * session->stride;
    for (int x = 0; x < session->canvas.width; x++, to += bytes) {
      to[0] = first[from[x]];
      to[1] = t->green[from[x]];
      to[2] = third[from[x]];
      if (bytes == 4) to[3] = 255;
    }
  }
}

/*
 * u and v point to the first sample of each; step is the distance between two samples, chroma_stride between two rows.
 */
static void write_yuv(const pinhole_session *session, const tables *t, uint8_t *out, uint8_t *u, uint8_t *v,
                      int step, uint32_t chroma_stride) {
  const canvas *c = &session->canvas;
  for (int y = 0; y < c->height; y++) {
    const uint8_t *from = c->pixels + (size_t)y * (size_t)c->width;
    uint8_t *to = out + (size_t)y * session->stride;
    for (int x = 0; x < c->width; x++) to[x] = t->y[from[x]];
    if (y % 2 != 0) continue;
    size_t row = (size_t)y / 2 * chroma_stride;
    for (int x = 0; x < c->width / 2; x++) {
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
  uint64_t rows = (uint64_t)session->canvas.height;
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
  pinhole_renderer *opened = calloc(1, sizeof *opened);
  if (opened == NULL) return fail(&open_error, "Out of memory");
  opened->format = &FORMATS[0];
  opened->settings = settings_default();
  if (read_options(options_json, opened) != PINHOLE_OK) {
    free(opened);
    return PINHOLE_ERROR;
  }
  *renderer = opened;
  return PINHOLE_OK;
}

int32_t pinhole_close(pinhole_renderer *renderer) {
  free(renderer);
  return PINHOLE_OK;
}

static void free_session(pinhole_session *session) {
  mailbox_close(&session->mailbox);
  free(session->tone.samples);
  free(session->canvas.pixels);
  free(session->canvas.ridge);
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
    return fail(&renderer->error, "Cannot draw %ux%u pixels: sides are even, 2 to %d", width, height,
                PINHOLE_FRAME_SIDE_MAX);
  }
  pinhole_session *opened = calloc(1, sizeof *opened);
  if (opened == NULL) return fail(&renderer->error, "Out of memory");
  opened->format = renderer->format;
  opened->settings = renderer->settings;
  opened->canvas.width = (int)width;
  opened->canvas.height = (int)height;
  /* Encoders read rows fastest that begin at multiples of 64 bytes. */
  opened->stride = (width * (uint32_t)renderer->format->bytes_per_pixel + 127) / 128 * 128;
  /* Room for one more half of the rows: the chroma of NV12 and I420. */
  size_t bytes = (size_t)opened->stride * height * 3 / 2;
  opened->canvas.pixels = malloc((size_t)width * height);
  opened->canvas.ridge = malloc(width * sizeof *opened->canvas.ridge);
  opened->buffers[0] = malloc(bytes);
  opened->buffers[1] = malloc(bytes);
  if (!opened->canvas.pixels || !opened->canvas.ridge || !opened->buffers[0] || !opened->buffers[1] ||
      !tone_open(&opened->tone, &renderer->settings)) {
    free_session(opened);
    return fail(&renderer->error, "Out of memory for %ux%u pixels", width, height);
  }
  *session = opened;
  return PINHOLE_OK;
}

int32_t pinhole_session_close(pinhole_session *session) {
  free_session(session);
  return PINHOLE_OK;
}

int32_t pinhole_render(pinhole_session *session, int64_t timestamp_us, pinhole_frame *frame) {
  if (timestamp_us < 0) return fail(&session->error, "The timestamp %lld is negative", (long long)timestamp_us);
  if (settings_idle_at(&session->settings, timestamp_us)) return PINHOLE_IDLE;
  canvas *c = &session->canvas;
  uint8_t *out = session->buffers[session->frame_number % 2];
  scene_view view = scene_at(c->width, c->height, timestamp_us, session->pointer);
  block_code code = block_code_now((uint32_t)c->width, (uint32_t)c->height, session->frame_number++);
  canvas_paint(c, &view, &code);
  tables t;
  make_tables(&t, view.seconds);
  frame->format = session->format->code;
  frame->width = (uint32_t)c->width;
  frame->height = (uint32_t)c->height;
  frame->timestamp_us = timestamp_us;
  write_frame(session, &t, out, frame);
  return PINHOLE_FRAME;
}

int32_t pinhole_audio(pinhole_session *session, int64_t timestamp_us, pinhole_audio_chunk *audio) {
  if (timestamp_us < 0) return fail(&session->error, "The timestamp %lld is negative", (long long)timestamp_us);
  tone_next(&session->tone, timestamp_us, settings_idle_at(&session->settings, timestamp_us), audio);
  return PINHOLE_OK;
}

int32_t pinhole_message(pinhole_session *session, const uint8_t *data, size_t length) {
  mailbox_event event = mailbox_read(data, length);
  if (!event.is_pointer) return mailbox_put(&session->mailbox, data, length, &session->error);
  session->pointer = event.pointer;
  return PINHOLE_OK;
}

int32_t pinhole_poll_message(pinhole_session *session, uint8_t *buffer, size_t capacity) {
  return mailbox_take(&session->mailbox, buffer, capacity, &session->error);
}

int32_t pinhole_last_error(const pinhole_renderer *renderer, const pinhole_session *session, char *buffer,
                           size_t capacity) {
  return copy_error(session != NULL ? &session->error : renderer != NULL ? &renderer->error : &open_error, buffer,
                    capacity);
}
