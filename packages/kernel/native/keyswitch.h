// Keyswitch (protos/SPEC.md, "Evaluation keys") by a key of 32-bit words, which is half as much to read.
#ifndef KEYSWITCH_H
#define KEYSWITCH_H
#include "bootstrap.h"

#define MAX_SWITCH_LEVELS 32  // lookups.py has the same

typedef uint32_t H __attribute__((vector_size(8 * W)));  // half words
#define HALVES (2 * W)

// `from` and `to` bits; a row of the key has `stride` words, zero after the body: a multiple of 16.
typedef struct { int from, to, stride, levels, base_log; } keyswitch_t;

static size_t keyswitch_doubles(const keyswitch_t *shape, size_t count) { return count * (size_t)shape->stride / 2; }
EXPORT size_t NAME(keyswitch_scratch)(const keyswitch_t *shape, size_t count) { return sizeof(double) * keyswitch_doubles(shape, count); }

// sum -= digits times `rows` rows of the key.
INLINE void subtract_rows(uint32_t *sum, const uint32_t *digits, int rows, const uint32_t *key, int stride) {
  H digit[4];
  for (int r = 0; r < rows; r++) digit[r] = (H){0} + digits[r];
  for (int j = 0; j < stride; j += HALVES) {
    H x = *(H *)(sum + j);
    for (int r = 0; r < rows; r++) x -= digit[r] * *(const H *)(key + (size_t)r * stride + j);
    *(H *)(sum + j) = x;
  }
}

// Ciphertexts side by side, so that each row of the key is read once. key: [bit][level, last first][stride].
EXPORT void NAME(keyswitch)(const keyswitch_t *shape, const uint32_t *key, const uint64_t *given, uint64_t *out, size_t count, double *scratch) {
  const int levels = shape->levels, base_log = shape->base_log, stride = shape->stride;
  const size_t from = (size_t)shape->from, to = (size_t)shape->to;
  const uint64_t offset = offset_of(levels, base_log), mask = ((uint64_t)1 << base_log) - 1;
  uint32_t *sums = (uint32_t *)scratch;
  memset(sums, 0, sizeof(uint32_t) * count * (size_t)stride);
  for (size_t i = 0; i < from; i++, key += (size_t)levels * stride)
    for (size_t q = 0; q < count; q++) {
      const uint64_t word = given[q * (from + 1) + i] + offset;
      uint32_t digits[MAX_SWITCH_LEVELS], *sum = sums + q * (size_t)stride;
      for (int l = 0; l < levels; l++)
        digits[l] = (uint32_t)(word >> (64 - base_log * (levels - l)) & mask) - (uint32_t)(mask / 2 + 1);
      int l = 0;
      for (; l + 4 <= levels; l += 4) subtract_rows(sum, digits + l, 4, key + (size_t)l * stride, stride);
      switch (levels - l) {
        case 3: subtract_rows(sum, digits + l, 3, key + (size_t)l * stride, stride); break;
        case 2: subtract_rows(sum, digits + l, 2, key + (size_t)l * stride, stride); break;
        case 1: subtract_rows(sum, digits + l, 1, key + (size_t)l * stride, stride);
      }
    }
  for (size_t q = 0; q < count; q++) {
    for (size_t j = 0; j <= to; j++) out[q * (to + 1) + j] = (uint64_t)sums[q * (size_t)stride + j] << 32;
    out[q * (to + 1) + to] += given[q * (from + 1) + from];
  }
}
#endif
