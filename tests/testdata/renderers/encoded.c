/*
 * A renderer that hands out H.264 access units, of the reference library's pictures. It has no encoder: each block of a
 * keyframe is stored as it is (I_PCM), and a frame between keyframes stores the blocks of the block code and leaves out
 * the others, which so stay as they were. Any decoder plays it.
 *
 * A keyframe comes first, then every 2 s, and when it is asked for. Each pinhole_set_bitrate is told by a message,
 * {"type":"bitrate","bits_per_second":n}.
 *
 * Options: keyframes, false: none after the first, and requests are not heard; flagged, false: keyframes do not say so;
 * idle_after_ms and idle_for_ms: milliseconds of pictures in each cycle, and of PINHOLE_IDLE after them.
 */
#include "good.h"

enum { BLOCK = 16, KEYFRAME_EVERY_US = 2000000, FRAME_NUMBERS = 16 };

static bool with_keyframes, with_flags;
static int64_t idle_after_us, idle_for_us;

typedef struct stream {
  pinhole_session *good;
  int64_t keyframe_us;
  bool keyframe_wanted;
  uint32_t frame_number;
  int current;
  uint8_t *units[2];
  mailbox messages;
} stream;

/* ---- Bits ------------------------------------------------------------------------------------------------ */

typedef struct writer {
  uint8_t *at;
  int zeros; /* zero bytes just written; after two of them, 0 to 3 is escaped */
  uint32_t bits, count;
} writer;

static void put_byte(writer *w, uint8_t byte) {
  if (w->zeros >= 2 && byte <= 3) {
    *w->at++ = 3;
    w->zeros = 0;
  }
  *w->at++ = byte;
  w->zeros = byte == 0 ? w->zeros + 1 : 0;
}

static void put(writer *w, uint32_t value, int length) {
  for (int i = length - 1; i >= 0; i--) {
    w->bits = w->bits << 1 | (value >> i & 1);
    if (++w->count % 8 == 0) put_byte(w, (uint8_t)w->bits);
  }
}

/* ue(v); the signed values that are needed are all 0, which is the same. */
static void put_ue(writer *w, uint32_t value) {
  int length = 0;
  while ((value + 1) >> length > 1) length++;
  put(w, value + 1, 2 * length + 1);
}

static void align(writer *w) {
  while (w->count % 8 != 0) put(w, 0, 1);
}

static void begin_unit(writer *w, uint8_t header) {
  memcpy(w->at, "\0\0\0\1", 4);
  w->at += 4;
  w->zeros = 0;
  w->count = 0;
  put_byte(w, header);
}

static void end_unit(writer *w) {
  put(w, 1, 1);
  align(w);
}

/* ---- Access units ---------------------------------------------------------------------------------------- */

static void put_parameter_sets(writer *w, uint32_t width, uint32_t height) {
  uint32_t columns = (width + BLOCK - 1) / BLOCK;
  uint32_t rows = (height + BLOCK - 1) / BLOCK;
  begin_unit(w, 0x67);
  put(w, 0x42c028, 24); /* constrained baseline, level 4.0 */
  put_ue(w, 0);         /* its number */
  put_ue(w, 0);         /* 4 bits of frame number */
  put_ue(w, 2);         /* output order is decoding order */
  put_ue(w, 1);         /* reference frames */
  put(w, 0, 1);
  put_ue(w, columns - 1);
  put_ue(w, rows - 1);
  put(w, 3, 2); /* whole frames, direct_8x8_inference */
  put(w, 1, 1); /* cropped, in steps of two pixels: left, right, top, bottom */
  put_ue(w, 0);
  put_ue(w, (columns * BLOCK - width) / 2);
  put_ue(w, 0);
  put_ue(w, (rows * BLOCK - height) / 2);
  put(w, 0, 1);
  end_unit(w);

  begin_unit(w, 0x68);
  put_ue(w, 0);
  put_ue(w, 0);
  put(w, 0, 2);                         /* CAVLC */
  for (int i = 0; i < 3; i++) put_ue(w, 0);
  put(w, 0, 3);                         /* no weights */
  for (int i = 0; i < 3; i++) put_ue(w, 0);
  put(w, 4, 3);                         /* each slice says whether it is deblocked */
  end_unit(w);
}

static void put_samples(writer *w, const pinhole_plane *plane, uint32_t side, uint32_t x, uint32_t y, uint32_t width,
                        uint32_t height) {
  for (uint32_t row = y; row < y + side; row++) {
    const uint8_t *from = plane->data + (size_t)(row < height ? row : height - 1) * plane->stride_bytes;
    for (uint32_t column = x; column < x + side; column++) put_byte(w, from[column < width ? column : width - 1]);
  }
}

static void put_slice(writer *w, const pinhole_frame *frame, bool keyframe, uint32_t frame_number) {
  uint32_t columns = (frame->width + BLOCK - 1) / BLOCK;
  uint32_t rows = (frame->height + BLOCK - 1) / BLOCK;
  double cell = block_code_now(frame->width, frame->height, 0).cell;
  begin_unit(w, keyframe ? 0x65 : 0x61);
  put_ue(w, 0);
  put_ue(w, keyframe ? 7 : 5);
  put_ue(w, 0);
  put(w, frame_number % FRAME_NUMBERS, 4);
  if (keyframe) put_ue(w, 0);
  put(w, 0, keyframe ? 2 : 3); /* no changes to lists of references or to their marking */
  put_ue(w, 0);
  put_ue(w, 1); /* not deblocked */
  uint32_t skipped = 0;
  for (uint32_t block = 0; block < columns * rows; block++) {
    uint32_t x = block % columns * BLOCK;
    uint32_t y = block / columns * BLOCK;
    if (!keyframe && (x >= cell * BLOCK_CODE_COLUMNS || y >= cell * BLOCK_CODE_ROWS)) {
      skipped++;
      continue;
    }
    if (!keyframe) put_ue(w, skipped);
    skipped = 0;
    put_ue(w, keyframe ? 25 : 30); /* I_PCM */
    align(w);
    put_samples(w, &frame->planes[0], BLOCK, x, y, frame->width, frame->height);
    for (int i = 1; i < 3; i++) {
      put_samples(w, &frame->planes[i], BLOCK / 2, x / 2, y / 2, frame->width / 2, frame->height / 2);
    }
  }
  if (skipped > 0) put_ue(w, skipped);
  end_unit(w);
}

/* ---- The contract ---------------------------------------------------------------------------------------- */

PINHOLE_API uint32_t pinhole_abi_version(void) { return PINHOLE_ABI_VERSION; }

PINHOLE_API int32_t pinhole_close(pinhole_renderer *renderer) { return good_close(renderer); }

/* An option of so many milliseconds, or 0. */
static int64_t us_option(const char *options_json, const char *name) {
  const char *at = strstr(options_json, name);
  return at == NULL ? 0 : (int64_t)(atof(at + strlen(name)) * 1000);
}

PINHOLE_API int32_t pinhole_open(const char *options_json, pinhole_renderer **renderer) {
  idle_after_us = us_option(options_json, "\"idle_after_ms\":");
  idle_for_us = us_option(options_json, "\"idle_for_ms\":");
  with_keyframes = strstr(options_json, "\"keyframes\":false") == NULL;
  with_flags = strstr(options_json, "\"flagged\":false") == NULL;
  return good_open("{\"format\":\"i420\"}", renderer);
}

PINHOLE_API int32_t pinhole_session_open(pinhole_renderer *renderer, const char *session_id, const char *options_json,
                                         uint32_t width, uint32_t height, uint32_t fps, stream **session) {
  stream *s = calloc(1, sizeof *s);
  int32_t status = good_session_open(renderer, session_id, options_json, width, height, fps, &s->good);
  if (status != PINHOLE_OK) {
    free(s);
    return status;
  }
  s->keyframe_wanted = true;
  /* Room for each block with as many escapes as there can be, and for the headers. */
  size_t blocks = (size_t)((width + BLOCK - 1) / BLOCK) * ((height + BLOCK - 1) / BLOCK);
  for (int i = 0; i < 2; i++) s->units[i] = malloc(blocks * (BLOCK * BLOCK * 3 / 2 + 4) * 3 / 2 + 256);
  *session = s;
  return PINHOLE_OK;
}

PINHOLE_API int32_t pinhole_session_close(stream *s) {
  good_session_close(s->good);
  mailbox_close(&s->messages);
  free(s->units[0]);
  free(s->units[1]);
  free(s);
  return PINHOLE_OK;
}

PINHOLE_API int32_t pinhole_render(stream *s, int64_t timestamp_us, pinhole_frame *frame) {
  if (idle_for_us > 0 && timestamp_us % (idle_after_us + idle_for_us) >= idle_after_us) return PINHOLE_IDLE;
  pinhole_frame picture = {.struct_size = sizeof picture};
  int32_t status = good_render(s->good, timestamp_us, &picture);
  if (status != PINHOLE_FRAME) return status;
  bool keyframe = s->frame_number == 0 ? s->keyframe_wanted
                                       : with_keyframes && (s->keyframe_wanted ||
                                                            timestamp_us >= s->keyframe_us + KEYFRAME_EVERY_US);
  s->keyframe_wanted = false;
  if (keyframe) {
    s->keyframe_us = timestamp_us;
    s->frame_number = 0;
  }
  s->current = 1 - s->current;
  writer w = {.at = s->units[s->current]};
  if (keyframe) put_parameter_sets(&w, picture.width, picture.height);
  put_slice(&w, &picture, keyframe, s->frame_number++);
  frame->format = PINHOLE_FORMAT_H264;
  frame->width = picture.width;
  frame->height = picture.height;
  frame->timestamp_us = timestamp_us;
  frame->flags = keyframe && with_flags ? PINHOLE_FRAME_KEYFRAME : 0;
  frame->planes[0].data = s->units[s->current];
  frame->planes[0].byte_size = (uint64_t)(w.at - s->units[s->current]);
  return PINHOLE_FRAME;
}

PINHOLE_API int32_t pinhole_poll_message(stream *s, uint8_t *buffer, size_t capacity) {
  return mailbox_take(&s->messages, buffer, capacity, &s->good->error);
}

PINHOLE_API int32_t pinhole_set_bitrate(stream *s, uint32_t bits_per_second) {
  char text[80];
  int length = snprintf(text, sizeof text, "{\"type\":\"bitrate\",\"bits_per_second\":%u}", bits_per_second);
  /* The oldest news gives way. */
  uint8_t oldest[sizeof text];
  if (s->messages.count == MAILBOX_PLACES) mailbox_take(&s->messages, oldest, sizeof oldest, &s->good->error);
  return mailbox_put(&s->messages, text, (size_t)length, &s->good->error);
}

PINHOLE_API int32_t pinhole_request_keyframe(stream *s) {
  s->keyframe_wanted = with_keyframes;
  return PINHOLE_OK;
}

PINHOLE_API int32_t pinhole_last_error(const pinhole_renderer *renderer, const stream *s, char *buffer,
                                       size_t capacity) {
  return good_last_error(renderer, s != NULL ? s->good : NULL, buffer, capacity);
}
