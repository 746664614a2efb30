/*
 * The block code in C: frame number and time as black and white cells at a picture's top left corner. src/renderer/
 * block_code.ts describes its layout and has the reader.
 */
#ifndef PINHOLE_BLOCK_CODE_H
#define PINHOLE_BLOCK_CODE_H

#include <stdbool.h>
#include <stdint.h>

enum { BLOCK_CODE_COLUMNS = 26, BLOCK_CODE_ROWS = 4, BLOCK_CODE_BYTES = 12 };

/* Size of a cell in pixels, with fractions. */
static inline double block_code_cell(uint32_t width, uint32_t height) {
  double by_width = width / 40.0;
  double by_height = height / 12.0;
  return by_width < by_height ? by_width : by_height;
}

/* The 96 bits of a code: frame number, milliseconds since 1970, CRC-16 of both, big-endian. */
static inline void block_code_pack(uint8_t bytes[BLOCK_CODE_BYTES], uint32_t frame_number,
                                   uint64_t sent_at_ms) {
  for (int i = 0; i < 4; i++) bytes[i] = (uint8_t)(frame_number >> (24 - 8 * i));
  for (int i = 0; i < 6; i++) bytes[4 + i] = (uint8_t)(sent_at_ms >> (40 - 8 * i));
  uint32_t crc = 0xffff;
  for (int i = 0; i < 10; i++) {
    crc ^= (uint32_t)bytes[i] << 8;
    for (int bit = 0; bit < 8; bit++) crc = (crc & 0x8000 ? crc << 1 ^ 0x1021 : crc << 1) & 0xffff;
  }
  bytes[10] = (uint8_t)(crc >> 8);
  bytes[11] = (uint8_t)crc;
}

/* Whether a cell of the packed code is white. */
static inline bool block_code_is_white(const uint8_t bytes[BLOCK_CODE_BYTES], int row, int column) {
  if (column == 0 || column == BLOCK_CODE_COLUMNS - 1) return row % 2 == 1;
  int bit = row * (BLOCK_CODE_COLUMNS - 2) + column - 1;
  return bytes[bit / 8] >> (7 - bit % 8) & 1;
}

#endif
