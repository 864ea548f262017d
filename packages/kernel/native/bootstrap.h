// Bootstrapping (protos/SPEC.md, "Evaluation keys"): lookups side by side, so that each row of the key is read once.
//
// A ciphertext is torus words, k polynomials of the mask and then the body, which the accumulators here have too. Its
// offset added, a word's bits are its digits, each plus half of the base: no carries.
#ifndef BOOTSTRAP_H
#define BOOTSTRAP_H
#include "exports.h"
#include "transform.h"

#define BOOTSTRAP_ROWS 32  // lookups.py has the same

// Of a bootstrap key: bits of the key that it bootstraps from, k, and its digits.
typedef struct { int bits, dimension, levels, base_log; } bootstrap_t;

// What rounds a word to its digits and makes each of them positive.
INLINE uint64_t offset_of(int levels, int base_log) {
  uint64_t offset = (uint64_t)1 << (63 - levels * base_log);
  for (int level = 1; level <= levels; level++) offset += (uint64_t)1 << (63 - base_log * (level - 1));
  return offset;
}

// Doubles of scratch: a polynomial, its digits, the product; and of each lookup an accumulator and what it turns by.
static size_t turns_size(const bootstrap_t *shape) { return ((size_t)shape->bits + 1 + 15) / 16 * 8; }
static size_t bootstrap_doubles(int size, const bootstrap_t *shape, size_t lookups) {
  const size_t columns = (size_t)shape->dimension + 1;
  return size * (1 + columns * shape->levels + columns + lookups * columns) + lookups * turns_size(shape);
}
EXPORT size_t NAME(bootstrap_scratch)(int size, const bootstrap_t *shape, size_t lookups) {
  return sizeof(double) * bootstrap_doubles(size, shape, lookups);
}

// Rows of `bits` bits of a key, torus words [bit][level, last first][row][column][N], to the kernel's order, which is
// [bit][block][column][vector][row, by polynomial and level][re, im][lane], divided by N/2. scratch: 2N doubles.
EXPORT void NAME(bootstrap_key)(const ring_t *ring, const bootstrap_t *shape, const uint64_t *words, size_t bits, double *key, double *scratch) {
  const int n = ring->size, columns = shape->dimension + 1, levels = shape->levels, rows = columns * levels;
  const double scale = ldexp(1.0, -64) * 2 / n;
  double *x = scratch, *F = x + n;
  for (size_t bit = 0; bit < bits; bit++, key += (size_t)rows * columns * n)
    for (int given = 0; given < rows; given++) {
      const int row = given % columns * levels + levels - 1 - given / columns;
      for (int c = 0; c < columns; c++, words += n) {
        for (int j = 0; j < n; j++) x[j] = (double)(int64_t)words[j] * scale;
        transform(ring, x, F, 1.0);
        for (int v = 0; v < n / 2 / W; v++)
          ((C *)key)[(((size_t)(v / W) * columns + c) * W + v % W) * rows + row] = ((const C *)F)[v];
      }
    }
}

// The sum of digits times rows of one bit of the key, column by column, half way back.
INLINE void times_bit_n(const ring_t *ring, const double *F, int rows, int columns, const double *key, double *sums) {
  const int n = ring->size;
  const C *k = (const C *)key;
  C values[BOOTSTRAP_ROWS * W];  // [vector][row]
  for (int b = 0; b < n / 2 / W / W; b++) {
    for (int r = 0; r < rows; r++) {
      const C *block = (const C *)(F + (size_t)r * n) + (size_t)W * b;
      V re[W], im[W];
      for (int q = 0; q < W; q++) re[q] = block[q].re, im[q] = block[q].im;
      last_pass(ring, b, re, im);
      for (int q = 0; q < W; q++) values[q * rows + r] = (C){re[q], im[q]};
    }
    for (int c = 0; c < columns; c++) {
      V re[W], im[W];
      for (int q = 0; q < W; q++, k += rows) {
        const C *value = values + q * rows;
        V x = value[0].re * k[0].re - value[0].im * k[0].im, y = value[0].re * k[0].im + value[0].im * k[0].re;
        for (int r = 1; r < rows; r++) {
          x += value[r].re * k[r].re, x -= value[r].im * k[r].im;
          y += value[r].re * k[r].im, y += value[r].im * k[r].re;
        }
        re[q] = x, im[q] = y;
      }
      first_pass_back(ring, b, re, im);
      C *to = (C *)(sums + (size_t)c * n) + (size_t)W * b;
      for (int q = 0; q < W; q++) to[q] = (C){re[q], im[q]};
    }
  }
}

// Shapes that are usual are written out, so that loops over their rows are unrolled.
static void times_bit(const ring_t *ring, const double *F, int rows, int columns, const double *key, double *sums) {
  switch (rows * 8 + columns) {
    case 2 * 8 + 2: times_bit_n(ring, F, 2, 2, key, sums); break;
    case 3 * 8 + 3: times_bit_n(ring, F, 3, 3, key, sums); break;
    case 4 * 8 + 2: times_bit_n(ring, F, 4, 2, key, sums); break;
    case 6 * 8 + 2: times_bit_n(ring, F, 6, 2, key, sums); break;
    case 6 * 8 + 3: times_bit_n(ring, F, 6, 3, key, sums); break;
    case 8 * 8 + 2: times_bit_n(ring, F, 8, 2, key, sums); break;
    case 10 * 8 + 2: times_bit_n(ring, F, 10, 2, key, sums); break;
    case 12 * 8 + 2: times_bit_n(ring, F, 12, 2, key, sums); break;
    case 14 * 8 + 2: times_bit_n(ring, F, 14, 2, key, sums); break;
    case 16 * 8 + 2: times_bit_n(ring, F, 16, 2, key, sums); break;
    default: times_bit_n(ring, F, rows, columns, key, sums);
  }
}

// (X^power - 1) x, coefficient by coefficient, for a power of 0 to 2N - 1.
static void turned(const uint64_t *restrict x, uint64_t *restrict out, int n, uint32_t power) {
  const int rest = (int)(power & (uint32_t)(n - 1));
  const uint64_t minus = -(uint64_t)(power / (uint32_t)n & 1), plus = ~minus;  // all bits: negated
  const uint64_t *restrict end = x + n - rest;
  for (int j = 0; j < rest; j++) out[j] = ((end[j] ^ plus) - plus) - x[j];
  for (int j = rest; j < n; j++) out[j] = ((x[j - rest] ^ minus) - minus) - x[j];
}

// A ciphertext's words, body last, as multiples of 1 / 2N. What the mask's words are rounded by reaches the phase where
// the key has a one, in one half of all places: half of it goes off the body before (`lookups.compensate` in NumPy).
#define LEFT_OUT 12  // bits of each rounding error, so that sums of thousands fit 64 bits
static void switch_modulus(const uint64_t *ciphertext, int bits, int size, uint32_t *turns) {
  int shift = 63;
  while (1 << (64 - shift) < 2 * size) shift--;
  const uint64_t half = (uint64_t)1 << (shift - 1), below = 2 * half - 1;
  int64_t sum = 0;
  for (int j = 0; j < bits; j++) {
    const uint64_t rounded = ciphertext[j] + half;
    turns[j] = (uint32_t)(rounded >> shift);
    sum += ((int64_t)(rounded & below) - (int64_t)half) >> LEFT_OUT;
  }
  turns[bits] = (uint32_t)((ciphertext[bits] - ((uint64_t)sum << (LEFT_OUT - 1)) + half) >> shift);
}

// X^-position times a polynomial in which each of 2^entries_log entries stands around its position, negated a turn on.
static void put_table(const uint64_t *table, int entries_log, int size, uint32_t position, uint64_t *body) {
  int box_log = 0;
  while (1 << (box_log + entries_log) < size) box_log++;
  const uint32_t first = position + ((uint32_t)1 << box_log >> 1), last = (uint32_t)size - 1;
  for (uint32_t j = 0; j < (uint32_t)size; j++) {
    const uint32_t at = first + j;
    const uint64_t minus = -(uint64_t)(at / (uint32_t)size & 1);
    body[j] = (table[(at & last) >> box_log] ^ minus) - minus;
  }
}

// Lookups of tables[q], of 2^entries_log words each, at the positions that given[q] encrypts, of bits + 1 words: to
// out[q], of kN + 1 words.
EXPORT void NAME(bootstrap)(const ring_t *ring, const bootstrap_t *shape, const double *key, const uint64_t *given, const uint64_t *tables, int entries_log,
                            uint64_t *out, size_t lookups, double *scratch) {
  const int n = ring->size, k = shape->dimension, columns = k + 1, levels = shape->levels, rows = columns * levels, bits = shape->bits;
  const size_t bit_size = (size_t)rows * columns * n, large = (size_t)columns * n;
  const uint64_t offset = offset_of(levels, shape->base_log), mask = ((uint64_t)1 << shape->base_log) - 1;
  uint64_t *difference = (uint64_t *)scratch;
  double *F = scratch + n, *sums = F + (size_t)rows * n;
  uint64_t *accumulators = (uint64_t *)(sums + large);
  uint32_t *all_turns = (uint32_t *)(accumulators + lookups * large);
  const size_t turns_step = 2 * turns_size(shape);
  for (size_t q = 0; q < lookups; q++) {
    uint64_t *accumulator = accumulators + q * large;
    uint32_t *turns = all_turns + q * turns_step;
    switch_modulus(given + q * ((size_t)bits + 1), bits, n, turns);
    memset(accumulator, 0, sizeof(uint64_t) * (size_t)k * n);
    put_table(tables + (q << entries_log), entries_log, n, turns[bits], accumulator + (size_t)k * n);
  }
  // The first lookup of each bit asks for the next bit's rows, so many lines in each step that the last step asks for the last.
  const int passes = ring->passes, first_steps = n / 2 / W / ring->radix[0], steps = (rows + columns) * (first_steps + (passes - 1) * (n / 2 / W / 4));
  const int lines = (int)((bit_size / 8 + (size_t)steps - 1) / (size_t)steps);
  ahead_t ahead = {0, 0, lines};
  for (int bit = 0; bit < bits; bit++, key += bit_size) {
    const char *next = (const char *)(key + bit_size);
    ahead.at = next, ahead.end = bit + 1 < bits ? next + sizeof(double) * bit_size : next;
    for (size_t q = 0; q < lookups; q++) {
      uint64_t *accumulator = accumulators + q * large;
      const uint32_t power = all_turns[q * turns_step + (size_t)bit];
      for (int c = 0; c < columns; c++) {
        turned(accumulator + (size_t)c * n, difference, n, power);
        for (int level = 0; level < levels; level++)
          begin_transform(ring, (const double *)difference, F + (size_t)(c * levels + level) * n,
                          (reading_t){WORDS, 0, 0, 64 - shape->base_log * (level + 1), mask, offset}, &ahead);
      }
      times_bit(ring, F, rows, columns, key, sums);
      for (int c = 0; c < columns; c++)
        end_transform_back(ring, sums + (size_t)c * n, (writing_t){TO_WORDS, (double *)(accumulator + (size_t)c * n), 0, 0, 0}, &ahead);
    }
  }
  for (size_t q = 0; q < lookups; q++) {  // the constant coefficient's ciphertext
    const uint64_t *accumulator = accumulators + q * large;
    uint64_t *to = out + q * ((size_t)k * n + 1);
    for (int c = 0; c < k; c++, accumulator += n, to += n) {
      to[0] = accumulator[0];
      for (int j = 1; j < n; j++) to[j] = -accumulator[n - j];
    }
    to[0] = accumulator[0];
  }
}
#endif
