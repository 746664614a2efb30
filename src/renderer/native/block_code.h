/*
 * The block code in C: frame number and time as black and white cells at a picture's top left corner. src/renderer/
 * block_code.ts describes its layout and has the reader.
 */
#ifndef PINHOLE_BLOCK_CODE_H
#define PINHOLE_BLOCK_CODE_H

#include <stdbool.h>
#include <stdint.h>
#include <time.h>

#include "portable.h"

enum { BLOCK_CODE_COLUMNS = 26, BLOCK_CODE_ROWS = 4, BLOCK_CODE_BYTES = 12 };

typedef struct block_code {
  double cell; /* pixels along a cell's side, with fractions */
  uint8_t bytes[BLOCK_CODE_BYTES];
} block_code;

/* Makes the code of a picture drawn now. Its 96 bits: frame number, milliseconds since 1970, CRC-16, big-endian. */
static inline block_code block_code_now(uint32_t width, uint32_t height, uint32_t frame_number) {
  struct timespec now;
  timespec_get(&now, TIME_UTC);
  uint64_t now_ms = (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
  double by_width = width / 40.0;
  double by_height = height / 12.0;
  block_code code;
  code.cell = by_width < by_height ? by_width : by_height;
  for (int i = 0; i < 4; i++) code.bytes[i] = (uint8_t)(frame_number >> (24 - 8 * i));
  for (int i = 0; i < 6; i++) code.bytes[4 + i] = (uint8_t)(now_ms >> (40 - 8 * i));
  uint32_t crc = 0xffff;
  for (int i = 0; i < 10; i++) {
    crc ^= (uint32_t)code.bytes[i] << 8;
    for (int bit = 0; bit < 8; bit++) crc = (crc & 0x8000 ? crc << 1 ^ 0x1021 : crc << 1) & 0xffff;
  }
  code.bytes[10] = (uint8_t)(crc >> 8);
  code.bytes[11] = (uint8_t)crc;
  return code;
}

/* First pixel of a column or row of cells, which is also the end of the previous one. */
ON_BOTH int block_code_edge(const block_code *code, int cell) { return (int)(cell * code->cell); }

/* The column or row of cells of a pixel; at least their number if it is in none. */
ON_BOTH int block_code_cell_of(const block_code *code, int pixel) {
  int cell = (int)(pixel / code->cell);
  while (block_code_edge(code, cell + 1) <= pixel) cell++;
  return cell;
}

ON_BOTH bool block_code_is_white(const block_code *code, int row, int column) {
  if (column == 0 || column == BLOCK_CODE_COLUMNS - 1) return row % 2 == 1;
  int bit = row * (BLOCK_CODE_COLUMNS - 2) + column - 1;
  return code->bytes[bit / 8] >> (7 - bit % 8) & 1;
}

#endif
