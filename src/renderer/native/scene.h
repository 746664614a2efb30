/*
 * A landscape through a short day: sky, sun, clouds, hills that pass by, and a balloon that follows the pointer. A
 * corner of it flashes white during the first 100 ms of each second.
 *
 * The picture consists of indices into 256 colours, and the colours change with the time of day. This file defines the
 * shapes; painter.h paints them row by row on the CPU, and the kernels of reference.cu evaluate each pixel.
 */
#ifndef PINHOLE_SCENE_H
#define PINHOLE_SCENE_H

#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "portable.h"

enum {
  SCENE_COLORS = 256,
  SCENE_SKY_LEVELS = 192, /* indices from 0, top of the sky first */
  SCENE_SUN = SCENE_SKY_LEVELS,
  SCENE_CLOUD,
  SCENE_HILLS, /* three, the farthest first */
  SCENE_BALLOON = SCENE_HILLS + 3,
  SCENE_BALLOON_STRIPE,
  SCENE_BASKET,
  SCENE_BLACK,
  SCENE_WHITE
};

enum { SCENE_LAYERS = 3, SCENE_STRIPES = 7, SCENE_BEHIND = 10, SCENE_FRONT = SCENE_STRIPES + 2 };

enum { SCENE_SECOND_US = 1000000, SCENE_FLASH_US = 100000 };

#define SCENE_TAU 6.283185307179586
#define SCENE_DAY_SECONDS 40.0

typedef struct scene_color {
  double red, green, blue; /* 0 to 1 */
} scene_color;

/* A disc, an upright slice of one, or a box. */
typedef struct scene_shape {
  float x, y;          /* the middle of a disc, or the top left corner of a box; pixels */
  float radius;        /* of a disc; 0 tells a box */
  float from, to;      /* the part of a disc's width, 0 to 1 */
  float width, height; /* of a box */
  int index;
} scene_shape;

/* Last position of a viewer's pointer, relative to the picture's width and height. */
typedef struct scene_pointer {
  bool given;
  double x, y;
} scene_pointer;

/* The shapes at one time. Later shapes cover earlier ones; the hills are between the two lists. */
typedef struct scene_view {
  int width, height;
  double seconds;
  scene_shape behind[SCENE_BEHIND];
  scene_shape front[SCENE_FRONT];
} scene_view;

static inline scene_color scene_rgb(double red, double green, double blue) {
  scene_color color = {red, green, blue};
  return color;
}

static inline scene_color scene_mix(scene_color a, scene_color b, double part) {
  return scene_rgb(a.red + (b.red - a.red) * part, a.green + (b.green - a.green) * part,
                   a.blue + (b.blue - a.blue) * part);
}

/* The colours at one time. Night is never black, because a black picture looks like a failure. */
static inline void scene_palette(scene_color colors[SCENE_COLORS], double seconds) {
  static const scene_color zenith[] = {{.10, .12, .30}, {.36, .42, .70}, {.18, .45, .85}, {.30, .26, .55}};
  static const scene_color horizon[] = {{.28, .24, .42}, {.98, .72, .52}, {.78, .90, .98}, {.96, .48, .30}};
  static const scene_color ground[] = {{.10, .16, .20}, {.36, .44, .32}, {.34, .56, .30}, {.34, .30, .28}};

  double hour = fmod(seconds / SCENE_DAY_SECONDS + .3, 1) * 4;
  int from = (int)hour % 4;
  int to = (from + 1) % 4;
  double part = .5 - .5 * cos((hour - floor(hour)) * SCENE_TAU / 2);
  scene_color high = scene_mix(zenith[from], zenith[to], part);
  scene_color low = scene_mix(horizon[from], horizon[to], part);
  scene_color near = scene_mix(ground[from], ground[to], part);

  memset(colors, 0, SCENE_COLORS * sizeof *colors);
  for (int i = 0; i < SCENE_SKY_LEVELS; i++) {
    colors[i] = scene_mix(high, low, (double)i / (SCENE_SKY_LEVELS - 1));
  }
  colors[SCENE_SUN] = scene_mix(low, scene_rgb(1, .93, .62), .8);
  colors[SCENE_CLOUD] = scene_mix(low, scene_rgb(1, 1, 1), .55);
  for (int i = 0; i < SCENE_LAYERS; i++) colors[SCENE_HILLS + i] = scene_mix(low, near, .4 + .3 * i);
  colors[SCENE_BALLOON] = scene_mix(low, scene_rgb(.86, .16, .18), .85);
  colors[SCENE_BALLOON_STRIPE] = scene_mix(low, scene_rgb(.98, .86, .55), .85);
  colors[SCENE_BASKET] = scene_mix(low, scene_rgb(.35, .22, .12), .85);
  colors[SCENE_BLACK] = scene_rgb(0, 0, 0);
  colors[SCENE_WHITE] = scene_rgb(1, 1, 1);
}

static inline scene_shape scene_slice(double x, double y, double radius, double from, double to, int index) {
  scene_shape shape = {(float)x, (float)y, (float)radius, (float)from, (float)to, 0, 0, index};
  return shape;
}

static inline scene_shape scene_disc(double x, double y, double radius, int index) {
  return scene_slice(x, y, radius, 0, 1, index);
}

static inline scene_shape scene_box(double x, double y, double width, double height, int index) {
  scene_shape shape = {(float)x, (float)y, 0, 0, 0, (float)width, (float)height, index};
  return shape;
}

static inline void scene_place_balloon(scene_view *v, scene_pointer pointer) {
  double radius = v->height * .09;
  double x = v->width * (pointer.given ? pointer.x : .5 + .36 * sin(v->seconds * .21));
  double y = v->height * (pointer.given ? pointer.y : .45 + .05 * sin(v->seconds * .9));
  for (int i = 0; i < SCENE_STRIPES; i++) {
    v->front[i] = scene_slice(x, y, radius, (double)i / SCENE_STRIPES, (double)(i + 1) / SCENE_STRIPES,
                              i % 2 ? SCENE_BALLOON_STRIPE : SCENE_BALLOON);
  }
  v->front[SCENE_STRIPES] =
      scene_box(x - radius * .2, y + radius * 1.25, radius * .4, radius * .35, SCENE_BASKET);
}

/* The view at a time of the session, in microseconds. */
static inline scene_view scene_at(int width, int height, int64_t timestamp_us, scene_pointer pointer) {
  scene_view v;
  v.width = width;
  v.height = height;
  v.seconds = (double)timestamp_us / SCENE_SECOND_US;
  double angle = (v.seconds / SCENE_DAY_SECONDS + .05) * SCENE_TAU;
  v.behind[0] = scene_disc(width * (.5 - .42 * cos(angle)), height * (.62 - .38 * sin(angle)), height * .06, SCENE_SUN);
  double unit = height * .05;
  for (int i = 0; i < 3; i++) {
    double way = fmod(i * .37 + v.seconds * (.010 + .004 * i), 1);
    double x = way * (width + 10 * unit) - 5 * unit;
    double y = height * (.30 + .09 * i);
    v.behind[1 + 3 * i] = scene_disc(x - 1.4 * unit, y + .2 * unit, .8 * unit, SCENE_CLOUD);
    v.behind[2 + 3 * i] = scene_disc(x, y, 1.2 * unit, SCENE_CLOUD);
    v.behind[3 + 3 * i] = scene_disc(x + 1.5 * unit, y + .1 * unit, .9 * unit, SCENE_CLOUD);
  }
  scene_place_balloon(&v, pointer);
  bool flash = timestamp_us % SCENE_SECOND_US < SCENE_FLASH_US;
  /*
   * The last quarter, right and bottom, aligned to even pixels, so that with subsampled chroma white stays white up to
   * the edge.
   */
  int left = width * 3 / 8 * 2;
  int top = height * 3 / 8 * 2;
  v.front[SCENE_FRONT - 1] = scene_box(left, top, flash ? width - left : 0, flash ? height - top : 0, SCENE_WHITE);
  return v;
}

/* The part of row y that a shape covers, from left up to right, not clipped to the picture; false if there is none. */
ON_BOTH bool scene_span(const scene_shape *shape, int y, int *left, int *right) {
  if (shape->radius > 0) {
    int dy = y - (int)shape->y;
    if (dy < -(int)shape->radius || dy > (int)shape->radius) return false;
    float half = sqrtf(shape->radius * shape->radius - (float)(dy * dy));
    *left = (int)(shape->x - half + 2 * half * shape->from);
    *right = (int)(shape->x - half + 2 * half * shape->to);
  } else {
    if (y < (int)shape->y || y >= (int)(shape->y + shape->height)) return false;
    *left = (int)shape->x;
    *right = (int)(shape->x + shape->width);
  }
  return *left < *right;
}

/* The topmost row of a layer of hills in column x. */
ON_BOTH int scene_ridge(const scene_view *v, int layer, int x) {
  double speed = .02 * (1 + layer * layer);
  double way = ((double)x / v->height + v->seconds * speed) * (1.3 + .5 * layer);
  double rise = .06 * sin(way * 2.1 + layer) + .025 * sin(way * 5.3 + 2 * layer);
  return (int)(v->height * (.62 + .12 * layer + rise));
}

ON_BOTH int scene_sky(const scene_view *v, int y) { return (int)((int64_t)y * SCENE_SKY_LEVELS / v->height); }

/* The index of one pixel. ridges: those of column x, one per layer, step values apart. */
ON_BOTH int scene_index_at(const scene_view *v, const int *ridges, int step, int x, int y) {
  int left, right;
  for (int i = SCENE_FRONT - 1; i >= 0; i--) {
    if (scene_span(&v->front[i], y, &left, &right) && x >= left && x < right) return v->front[i].index;
  }
  for (int layer = SCENE_LAYERS - 1; layer >= 0; layer--) {
    if (y >= ridges[layer * step]) return SCENE_HILLS + layer;
  }
  for (int i = SCENE_BEHIND - 1; i >= 0; i--) {
    if (scene_span(&v->behind[i], y, &left, &right) && x >= left && x < right) return v->behind[i].index;
  }
  return scene_sky(v, y);
}

#endif
