/*
 * A landscape through a short day: sky, sun, clouds, hills that pass by, and a balloon.
 *
 * The picture is drawn as one byte per pixel, an index into 256 colours, and the colours change with the hour. So no
 * pixel's colour is ever computed: a format costs one table look-up per pixel.
 */
#ifndef PINHOLE_SCENE_H
#define PINHOLE_SCENE_H

#include <math.h>
#include <stdint.h>
#include <string.h>

typedef struct scene_color {
  double red, green, blue; /* 0 to 1 */
} scene_color;

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

/* A picture of indices, height rows of width bytes. */
typedef struct scene {
  int width, height;
  uint8_t *pixels;
  int *ridge; /* width values, for the hills */
} scene;

static const double SCENE_TAU = 6.283185307179586;
static const double SCENE_DAY_SECONDS = 40;

static inline scene_color scene_mix(scene_color a, scene_color b, double part) {
  scene_color mixed = {a.red + (b.red - a.red) * part, a.green + (b.green - a.green) * part,
                       a.blue + (b.blue - a.blue) * part};
  return mixed;
}

/* The colours at a moment. Night never gets darker than a summer night: a black picture looks like a failure. */
static inline void scene_palette(scene_color colors[SCENE_COLORS], double seconds) {
  static const scene_color zenith[] = {{.10, .12, .30}, {.36, .42, .70}, {.18, .45, .85}, {.30, .26, .55}};
  static const scene_color horizon[] = {{.28, .24, .42}, {.98, .72, .52}, {.78, .90, .98}, {.96, .48, .30}};
  static const scene_color ground[] = {{.10, .16, .20}, {.36, .44, .32}, {.34, .56, .30}, {.34, .30, .28}};
  static const scene_color white = {1, 1, 1};
  static const scene_color black = {0, 0, 0};

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
  colors[SCENE_SUN] = scene_mix(low, (scene_color){1, .93, .62}, .8);
  colors[SCENE_CLOUD] = scene_mix(low, white, .55);
  for (int i = 0; i < 3; i++) colors[SCENE_HILLS + i] = scene_mix(low, near, .4 + .3 * i);
  colors[SCENE_BALLOON] = scene_mix(low, (scene_color){.86, .16, .18}, .85);
  colors[SCENE_BALLOON_STRIPE] = scene_mix(low, (scene_color){.98, .86, .55}, .85);
  colors[SCENE_BASKET] = scene_mix(low, (scene_color){.35, .22, .12}, .85);
  colors[SCENE_BLACK] = black;
  colors[SCENE_WHITE] = white;
}

/* Fills part of a row; what lies outside of the picture is left out. */
static inline void scene_fill(scene *s, int y, int left, int right, uint8_t index) {
  if (y < 0 || y >= s->height) return;
  if (left < 0) left = 0;
  if (right > s->width) right = s->width;
  if (left < right) memset(s->pixels + (size_t)y * s->width + left, index, (size_t)(right - left));
}

static inline void scene_disc(scene *s, double x, double y, double radius, uint8_t index) {
  for (int dy = (int)-radius; dy <= (int)radius; dy++) {
    double half = sqrt(radius * radius - (double)dy * dy);
    scene_fill(s, (int)y + dy, (int)(x - half), (int)(x + half), index);
  }
}

static inline void scene_sky(scene *s) {
  for (int y = 0; y < s->height; y++) {
    scene_fill(s, y, 0, s->width, (uint8_t)((int64_t)y * SCENE_SKY_LEVELS / s->height));
  }
}

static inline void scene_clouds(scene *s, double seconds) {
  double unit = s->height * .05;
  for (int i = 0; i < 3; i++) {
    double way = fmod(i * .37 + seconds * (.010 + .004 * i), 1);
    double x = way * (s->width + 10 * unit) - 5 * unit;
    double y = s->height * (.30 + .09 * i);
    scene_disc(s, x - 1.4 * unit, y + .2 * unit, .8 * unit, SCENE_CLOUD);
    scene_disc(s, x, y, 1.2 * unit, SCENE_CLOUD);
    scene_disc(s, x + 1.5 * unit, y + .1 * unit, .9 * unit, SCENE_CLOUD);
  }
}

static inline void scene_hills(scene *s, double seconds) {
  for (int layer = 0; layer < 3; layer++) {
    double base = .62 + .12 * layer;
    double speed = .02 * (1 + layer * layer);
    double frequency = 1.3 + .5 * layer;
    int top = s->height;
    for (int x = 0; x < s->width; x++) {
      double way = ((double)x / s->height + seconds * speed) * frequency;
      double rise = .06 * sin(way * 2.1 + layer) + .025 * sin(way * 5.3 + 2 * layer);
      s->ridge[x] = (int)(s->height * (base + rise));
      if (s->ridge[x] < top) top = s->ridge[x];
    }
    for (int y = top < 0 ? 0 : top; y < s->height; y++) {
      uint8_t *row = s->pixels + (size_t)y * s->width;
      uint8_t index = (uint8_t)(SCENE_HILLS + layer);
      for (int x = 0; x < s->width; x++) row[x] = y >= s->ridge[x] ? index : row[x];
    }
  }
}

static inline void scene_balloon(scene *s, double seconds) {
  double radius = s->height * .09;
  double x = s->width * (.5 + .36 * sin(seconds * .21));
  double y = s->height * (.45 + .05 * sin(seconds * .9));
  for (int dy = (int)-radius; dy <= (int)radius; dy++) {
    double half = sqrt(radius * radius - (double)dy * dy);
    for (int stripe = 0; stripe < 7; stripe++) {
      int left = (int)(x - half + 2 * half * stripe / 7);
      int right = (int)(x - half + 2 * half * (stripe + 1) / 7);
      scene_fill(s, (int)y + dy, left, right, stripe % 2 ? SCENE_BALLOON_STRIPE : SCENE_BALLOON);
    }
  }
  for (int dy = (int)(radius * 1.25); dy < (int)(radius * 1.6); dy++) {
    scene_fill(s, (int)y + dy, (int)(x - radius * .2), (int)(x + radius * .2), SCENE_BASKET);
  }
}

/* Draws the picture of a moment. */
static inline void scene_draw(scene *s, double seconds) {
  double angle = (seconds / SCENE_DAY_SECONDS + .05) * SCENE_TAU;
  scene_sky(s);
  scene_disc(s, s->width * (.5 - .42 * cos(angle)), s->height * (.62 - .38 * sin(angle)),
             s->height * .06, SCENE_SUN);
  scene_clouds(s, seconds);
  scene_hills(s, seconds);
  scene_balloon(s, seconds);
}

#endif
