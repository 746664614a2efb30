/*
 * Paints the scene on the CPU: one byte per pixel, an index into its colours. Shapes are filled row by row, without a
 * test per pixel, and each format costs one table look-up per pixel.
 */
#ifndef PINHOLE_PAINTER_H
#define PINHOLE_PAINTER_H

#include <stddef.h>

#include "block_code.h"
#include "scene.h"

/* A picture of indices, height rows of width bytes. */
typedef struct canvas {
  int width, height;
  uint8_t *pixels;
  int *ridge; /* width values, for the hills */
} canvas;

/* Fills part of a row, clipped to the picture. */
static inline void canvas_fill(canvas *c, int y, int left, int right, int index) {
  if (y < 0 || y >= c->height) return;
  if (left < 0) left = 0;
  if (right > c->width) right = c->width;
  if (left < right) memset(c->pixels + (size_t)y * (size_t)c->width + left, index, (size_t)(right - left));
}

static inline void canvas_shapes(canvas *c, const scene_shape *shapes, int count) {
  for (int i = 0; i < count; i++) {
    const scene_shape *shape = &shapes[i];
    int reach = (int)shape->radius;
    int top = (int)shape->y - reach;
    int bottom = shape->radius > 0 ? (int)shape->y + reach : (int)(shape->y + shape->height);
    if (top < 0) top = 0;
    if (bottom > c->height - 1) bottom = c->height - 1;
    for (int y = top; y <= bottom; y++) {
      int left, right;
      if (scene_span(shape, y, &left, &right)) canvas_fill(c, y, left, right, shape->index);
    }
  }
}

static inline void canvas_hills(canvas *c, const scene_view *v) {
  for (int layer = 0; layer < SCENE_LAYERS; layer++) {
    int top = c->height;
    for (int x = 0; x < c->width; x++) {
      c->ridge[x] = scene_ridge(v, layer, x);
      if (c->ridge[x] < top) top = c->ridge[x];
    }
    uint8_t index = (uint8_t)(SCENE_HILLS + layer);
    for (int y = top < 0 ? 0 : top; y < c->height; y++) {
      uint8_t *row = c->pixels + (size_t)y * (size_t)c->width;
      for (int x = 0; x < c->width; x++) row[x] = y >= c->ridge[x] ? index : row[x];
    }
  }
}

static inline void canvas_code(canvas *c, const block_code *code) {
  for (int row = 0; row < BLOCK_CODE_ROWS; row++) {
    for (int y = block_code_edge(code, row); y < block_code_edge(code, row + 1); y++) {
      for (int column = 0; column < BLOCK_CODE_COLUMNS; column++) {
        int index = block_code_is_white(code, row, column) ? SCENE_WHITE : SCENE_BLACK;
        canvas_fill(c, y, block_code_edge(code, column), block_code_edge(code, column + 1), index);
      }
    }
  }
}

/* Paints a view of the canvas's size and a code on it. */
static inline void canvas_paint(canvas *c, const scene_view *v, const block_code *code) {
  for (int y = 0; y < c->height; y++) canvas_fill(c, y, 0, c->width, scene_sky(v, y));
  canvas_shapes(c, v->behind, SCENE_BEHIND);
  canvas_hills(c, v);
  canvas_shapes(c, v->front, SCENE_FRONT);
  canvas_code(c, code);
}

#endif
