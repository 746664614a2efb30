/* The kernels of reference.cu: the scene as RGBA, one pixel per thread, and its conversion to NV12. */
#ifndef PINHOLE_KERNELS_CUH
#define PINHOLE_KERNELS_CUH

#include <cuda_runtime.h>

#include "block_code.h"
#include "scene.h"

/*
 * Parameters of a frame, passed with each launch.
 *    __grid_constant__ lets every thread read that one copy.
 */
struct picture {
  scene_view view;
  block_code code;
  uchar4 colors[SCENE_COLORS];
};

/* Computes the top of the hills in each column: SCENE_LAYERS rows of width values. */
static __global__ void find_ridges(const __grid_constant__ scene_view view, int *ridges, int width) {
  int x = (int)(blockIdx.x * blockDim.x + threadIdx.x);
  if (x >= width) return;
  for (int layer = 0; layer < SCENE_LAYERS; layer++) ridges[layer * width + x] = scene_ridge(&view, layer, x);
}

/* Draws RGBA, one pixel per thread. */
static __global__ void draw(const __grid_constant__ picture p, const int *ridges, uchar4 *pixels, int width) {
  int x = (int)(blockIdx.x * blockDim.x + threadIdx.x);
  int y = (int)(blockIdx.y * blockDim.y + threadIdx.y);
  if (x >= width || y >= p.view.height) return;
  int index;
  if (x < block_code_edge(&p.code, BLOCK_CODE_COLUMNS) && y < block_code_edge(&p.code, BLOCK_CODE_ROWS)) {
    int row = block_code_cell_of(&p.code, y);
    int column = block_code_cell_of(&p.code, x);
    index = block_code_is_white(&p.code, row, column) ? SCENE_WHITE : SCENE_BLACK;
  } else {
    index = scene_index_at(&p.view, ridges + x, width, x, y);
  }
  pixels[(size_t)y * (size_t)width + (size_t)x] = p.colors[index];
}

static __device__ float luma(uchar4 c) { return 16.5f + .256788f * c.x + .504129f * c.y + .097906f * c.z; }

/* Converts to NV12 (BT.601, limited range), four pixels of two rows per thread. width: a multiple of 4. */
static __global__ void convert(const uchar4 *pixels, uint8_t *nv12, int width, int height, int stride) {
  int x = (int)(blockIdx.x * blockDim.x + threadIdx.x) * 4;
  int y = (int)(blockIdx.y * blockDim.y + threadIdx.y) * 2;
  if (x >= width || y >= height) return;
  uint8_t chroma[4];
  for (int pair = 0; pair < 4; pair += 2) {
    float red = 0, green = 0, blue = 0;
    for (int row = 0; row < 2; row++) {
      for (int column = pair; column < pair + 2; column++) {
        uchar4 c = pixels[(size_t)(y + row) * (size_t)width + (size_t)(x + column)];
        nv12[(size_t)(y + row) * (size_t)stride + (size_t)(x + column)] = (uint8_t)luma(c);
        red += .25f * c.x;
        green += .25f * c.y;
        blue += .25f * c.z;
      }
    }
    chroma[pair] = (uint8_t)(128.5f - .148223f * red - .290993f * green + .439216f * blue);
    chroma[pair + 1] = (uint8_t)(128.5f + .439216f * red - .367788f * green - .071427f * blue);
  }
  uint8_t *to = nv12 + (size_t)(height + y / 2) * (size_t)stride + (size_t)x;
  for (int i = 0; i < 4; i++) to[i] = chroma[i];
}

#endif
