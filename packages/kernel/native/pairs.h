// Ciphertexts: two polynomials, mask and body. A *pair* is the transform of one, divided by N/2, vector by vector:
// mask and body of W values side by side. Its 2N doubles take the place of the ciphertext's.
#ifndef PAIRS_H
#define PAIRS_H
#include "transform.h"

#define MAX_ROWS 16

typedef struct { int levels, base_log; } gadget_t;
typedef struct { C mask, body; } pair_t;

// Rows of a key that stand one after the other.
static void rows_of(const ring_t *ring, const double *key, int levels, const double **rows) {
  for (int j = 0; j < levels; j++) rows[j] = key + (size_t)j * 2 * ring->size;
}

// sum += factor * value
INLINE void add_product(C *sum, C factor, C value) {
  sum->re += factor.re * value.re;
  sum->re -= factor.im * value.im;
  sum->im += factor.re * value.im;
  sum->im += factor.im * value.re;
}

// What is asked for in the passes of so many polynomials, there or back, of `bytes` from `at` on: what comes next is to find
// them in a cache.
static ahead_t ahead_of(const ring_t *ring, int polynomials, const void *at, size_t bytes) {
  const int vectors = ring->size / 2 / W, steps = polynomials * (vectors / ring->radix[0] + (ring->passes - 1) * (vectors / 4));
  return (ahead_t){at, (const char *)at + bytes, (int)((bytes / 64 + (size_t)steps - 1) / (size_t)steps)};
}

// Digits of a polynomial, each all but transformed: `levels` times N doubles. Meanwhile, `bytes` from `ahead` on are asked for.
static void spread(const ring_t *ring, const double *x, gadget_t gadget, double *F, const void *ahead, size_t bytes) {
  ahead_t next = ahead_of(ring, gadget.levels, ahead, bytes);
  const double base = ldexp(1.0, gadget.base_log);
  double factor = 1;
  for (int level = 0; level < gadget.levels; level++, factor *= base)
    begin_transform(ring, x, F + (size_t)level * ring->size, (reading_t){DIGITS, factor, base, 0, 0, 0}, &next);
}

// From W pairs of one block, half way back: to the places of that block in mask and body, N doubles each.
INLINE void put_back(const ring_t *ring, int block, const pair_t *sums, double *out) {
  for (int part = 0; part < 2; part++) {
    V re[W], im[W];
    for (int q = 0; q < W; q++) re[q] = (part ? sums[q].body : sums[q].mask).re, im[q] = (part ? sums[q].body : sums[q].mask).im;
    first_pass_back(ring, block, re, im);
    C *to = (C *)(out + (size_t)part * ring->size) + (size_t)W * block;
    for (int q = 0; q < W; q++) to[q] = (C){re[q], im[q]};
  }
}

// The sum of transforms times rows of a key: as a pair, or (back) as what `end_transform_back` takes, twice.
INLINE void times_rows_n(const ring_t *ring, const double *F, int rows, const double *const *key, double *out, int back) {
  const int n = ring->size;
  C values[MAX_ROWS * W];
  for (int b = 0; b < n / 2 / W / W; b++) {
    for (int r = 0; r < rows; r++) {
      const C *from = (const C *)(F + (size_t)r * n) + (size_t)W * b;
      V re[W], im[W];
      for (int q = 0; q < W; q++) re[q] = from[q].re, im[q] = from[q].im;
      last_pass(ring, b, re, im);
      for (int q = 0; q < W; q++) values[q * rows + r] = (C){re[q], im[q]};
    }
    pair_t sums[W];
    for (int q = 0; q < W; q++) {
      pair_t sum = {{all(0), all(0)}, {all(0), all(0)}};
      for (int r = 0; r < rows; r++) {
        const pair_t *row = (const pair_t *)key[r] + (size_t)W * b + q;
        add_product(&sum.mask, values[q * rows + r], row->mask);
        add_product(&sum.body, values[q * rows + r], row->body);
      }
      sums[q] = sum;
    }
    if (back) put_back(ring, b, sums, out);
    else
      for (int q = 0; q < W; q++) ((pair_t *)out)[(size_t)W * b + q] = sums[q];
  }
}

// Numbers of rows that are usual are written out, so that loops over them are unrolled.
static void times_rows(const ring_t *ring, const double *F, int rows, const double *const *key, double *out) {
  switch (rows) {
    case 3: times_rows_n(ring, F, 3, key, out, 0); break;
    case 4: times_rows_n(ring, F, 4, key, out, 0); break;
    case 6: times_rows_n(ring, F, 6, key, out, 0); break;
    default: times_rows_n(ring, F, rows, key, out, 0);
  }
}
static void times_rows_back(const ring_t *ring, const double *F, int rows, const double *const *key, double *out) {
  switch (rows) {
    case 4: times_rows_n(ring, F, 4, key, out, 1); break;
    case 5: times_rows_n(ring, F, 5, key, out, 1); break;
    case 6: times_rows_n(ring, F, 6, key, out, 1); break;
    case 7: times_rows_n(ring, F, 7, key, out, 1); break;
    default: times_rows_n(ring, F, rows, key, out, 1);
  }
}

// The other passes back for both parts of a ciphertext. Meanwhile, `bytes` from each of `ahead` on are asked for.
static void to_ciphertext(const ring_t *ring, double *F, double *ciphertext, const double *const *ahead, size_t bytes) {
  for (int part = 0; part < 2; part++, F += ring->size, ciphertext += ring->size) {
    ahead_t next = ahead_of(ring, 1, ahead[part], bytes);
    end_transform_back(ring, F, (writing_t){TO_VALUES, ciphertext, 0, 0, 0}, &next);
  }
}

// The last pass forward of a polynomial that was divided by N/2 already: one part of a pair.
INLINE void last_pass_of(const ring_t *ring, const double *F, int block, C *values) {
  const C *from = (const C *)F + (size_t)W * block;
  V re[W], im[W];
  for (int q = 0; q < W; q++) re[q] = from[q].re, im[q] = from[q].im;
  last_pass(ring, block, re, im);
  for (int q = 0; q < W; q++) values[q] = (C){re[q], im[q]};
}

// The pair of a ciphertext, which may take its place. F: 2N doubles.
static void to_pair(const ring_t *ring, const double *ciphertext, double *pair, double *F) {
  const int n = ring->size;
  const reading_t how = {VALUES, 2.0 / n, 0, 0, 0, 0};
  begin_transform(ring, ciphertext, F, how, 0);
  begin_transform(ring, ciphertext + n, F + n, how, 0);
  for (int b = 0; b < n / 2 / W / W; b++) {
    C mask[W], body[W];
    last_pass_of(ring, F, b, mask);
    last_pass_of(ring, F + n, b, body);
    for (int q = 0; q < W; q++) ((pair_t *)pair)[W * b + q] = (pair_t){mask[q], body[q]};
  }
}

INLINE void centre(double *x, size_t count) {
  for (size_t j = 0; j < count; j += W) *(V *)(x + j) = centred(*(V *)(x + j));
}
#endif
