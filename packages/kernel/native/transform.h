// Transforms, pass by pass. Values are left in the order of the last split, which nothing here needs to be another.
//
// A polynomial is N doubles, constant term first. Its transform is N/2/W pairs of vectors, real and imaginary parts.
#ifndef TRANSFORM_H
#define TRANSFORM_H
#include "ring.h"

typedef struct { V re, im; } C;

// a + w b, a - w b; with i w for w; and the ways back, times two.
INLINE void split(V *re, V *im, int a, int b, V wr, V wi) {
  V tr = re[b] * wr - im[b] * wi, ti = re[b] * wi + im[b] * wr;
  re[b] = re[a] - tr, im[b] = im[a] - ti, re[a] += tr, im[a] += ti;
}
INLINE void split_i(V *re, V *im, int a, int b, V wr, V wi) {
  V tr = re[b] * wr - im[b] * wi, ti = re[b] * wi + im[b] * wr;
  re[b] = re[a] + ti, im[b] = im[a] - tr, re[a] -= ti, im[a] += tr;
}
INLINE void join(V *re, V *im, int a, int b, V wr, V wi) {
  V dr = re[a] - re[b], di = im[a] - im[b];
  re[a] += re[b], im[a] += im[b], re[b] = dr * wr + di * wi, im[b] = di * wr - dr * wi;
}
INLINE void join_i(V *re, V *im, int a, int b, V wr, V wi) {
  V dr = re[a] - re[b], di = im[a] - im[b];
  re[a] += re[b], im[a] += im[b], re[b] = di * wr - dr * wi, im[b] = -(dr * wr + di * wi);
}
INLINE void split_4(V *re, V *im, const V *w) {
  for (int j = 0; j < 2; j++) split(re, im, j, j + 2, w[0], w[1]);
  split(re, im, 0, 1, w[2], w[3]), split_i(re, im, 2, 3, w[2], w[3]);
}
INLINE void join_4(V *re, V *im, const V *w) {
  join(re, im, 0, 1, w[2], w[3]), join_i(re, im, 2, 3, w[2], w[3]);
  for (int j = 0; j < 2; j++) join(re, im, j, j + 2, w[0], w[1]);
}
INLINE void split_8(V *re, V *im, const V *w) {
  for (int j = 0; j < 4; j++) split(re, im, j, j + 4, w[0], w[1]);
  for (int j = 0; j < 2; j++) split(re, im, j, j + 2, w[2], w[3]), split_i(re, im, j + 4, j + 6, w[2], w[3]);
  split(re, im, 0, 1, w[4], w[5]), split_i(re, im, 2, 3, w[4], w[5]);
  split(re, im, 4, 5, w[6], w[7]), split_i(re, im, 6, 7, w[6], w[7]);
}
INLINE void join_8(V *re, V *im, const V *w) {
  join(re, im, 0, 1, w[4], w[5]), join_i(re, im, 2, 3, w[4], w[5]);
  join(re, im, 4, 5, w[6], w[7]), join_i(re, im, 6, 7, w[6], w[7]);
  for (int j = 0; j < 2; j++) join(re, im, j, j + 2, w[2], w[3]), join_i(re, im, j + 4, j + 6, w[2], w[3]);
  for (int j = 0; j < 4; j++) join(re, im, j, j + 4, w[0], w[1]);
}
#if W == 8
#define split_W split_8
#define join_W join_8
#else
#define split_W split_4
#define join_W join_4
#endif

INLINE void constants_of(const double *from, int radix, V *w) {
  for (int j = 0; j < CONSTANTS(radix); j++) w[j] = all(from[j]);
}

// Memory that is asked for ahead of its use, some lines of 64 bytes in every step of a pass; 0 where none is.
typedef struct { const char *at, *end; int lines; } ahead_t;

INLINE void ask(ahead_t *ahead) {
  if (!ahead || ahead->at >= ahead->end) return;
  for (int j = 0; j < ahead->lines; j++) __builtin_prefetch(ahead->at + 64 * j, 0, 2);
  ahead->at += 64 * ahead->lines;
}

// What the first pass reads: `factor` times x (VALUES); a digit of x, a fraction in -1/2 ... 1/2, which is the integer
// nearest to `base` times what the digits before it leave over, x times `factor` less the nearest integer (DIGITS); or a
// digit of a torus word: the bits from `shift` on that `mask` has, after `offset` was added, less half of the base B
// (WORDS; x points to words).
//
// Such digits are -B/2 ... B/2 - 1, so their mean is -1/2. Were it that of all coefficients, their transform would be
// large where a key of zeros and ones has a large one, too, at low frequencies, and what doubles add there would be
// multiplied by it: up to N / 2B^2 times the noise more. So every other coefficient has the digits of minus its word,
// negated, -B/2 + 1 ... B/2: those whose index has an odd number of ones (Thue and Morse), which leaves next to nothing
// at low frequencies, in no half, quarter and so on that a transform makes of them.
enum { VALUES, DIGITS, WORDS };
typedef struct { int kind; double factor, base; int shift; uint64_t mask, offset; } reading_t;

// Whether one bit more is set than an even number of them; below 2^12.
INLINE unsigned is_odd(unsigned x) {
  x ^= x >> 8, x ^= x >> 4;
  return 0x6996u >> (x & 15) & 1;
}

// `even` in lanes whose number has an even number of ones, `odd` in others; the other way round where `swapped` is 1.
INLINE U by_lane(uint64_t even, uint64_t odd, unsigned swapped) {
  U at;
  for (int lane = 0; lane < W; lane++) at[lane] = is_odd((unsigned)lane) ^ swapped ? odd : even;
  return at;
}

// For WORDS, of vectors whose number has an even or odd number of ones: what is added to words, and what taken from bits.
typedef struct { U offset; V less; } digits_t;
#define TWO_TO_52 0x4330000000000000u  // the bits of the double; those of 2^52 + x are x more
INLINE digits_t digits_of(reading_t how, unsigned odd) {
  const uint64_t half = how.mask / 2 + 1;
  return (digits_t){by_lane(how.offset, 0 - how.offset - 1, odd), (V)by_lane(TWO_TO_52 + half, TWO_TO_52 + half - 1, odd)};
}

INLINE V read_vector(const double *x, reading_t how, const digits_t *digits) {
  if (how.kind == WORDS)
    return (V)(((*(const U *)x + digits->offset) >> how.shift & all_words(how.mask)) | all_words(TWO_TO_52)) - digits->less;
  V y = *(const V *)x * all(how.factor);
  return how.kind == DIGITS ? nearest(centred(y) * all(how.base)) : y;
}

INLINE void first_pass(const ring_t *ring, const double *x, double *F, reading_t how, int radix, ahead_t *ahead) {
  const int half = ring->size / 2, step = half / W / radix;
  V w[8];
  constants_of(ring->twiddles[0], radix, w);
  const digits_t digits[2] = {digits_of(how, 0), digits_of(how, 1)};
  for (int j = 0; j < step; j++) {
    V re[8], im[8];
    ask(ahead);
    const unsigned odd = how.kind == WORDS && is_odd((unsigned)j);
    for (int q = 0; q < radix; q++) {
      const double *at = x + (size_t)(j + q * step) * W;
      const unsigned which = odd ^ is_odd((unsigned)q);  // step and half are powers of two
      re[q] = read_vector(at, how, digits + which), im[q] = read_vector(at + half, how, digits + (which ^ 1));
    }
    if (radix == 8) split_8(re, im, w); else split_4(re, im, w);
    for (int q = 0; q < radix; q++) ((C *)F)[j + q * step] = (C){re[q], im[q]};
  }
}

static void middle_pass(const double *twiddles, double *F, int blocks, int step, ahead_t *ahead) {
  for (int b = 0; b < blocks; b++) {
    C *block = (C *)F + (size_t)b * 4 * step;
    V w[4];
    constants_of(twiddles + 4 * b, 4, w);
    for (int j = 0; j < step; j++) {
      V re[4], im[4];
      ask(ahead);
      for (int q = 0; q < 4; q++) re[q] = block[j + q * step].re, im[q] = block[j + q * step].im;
      split_4(re, im, w);
      for (int q = 0; q < 4; q++) block[j + q * step] = (C){re[q], im[q]};
    }
  }
}

static void middle_pass_back(const double *twiddles, double *F, int blocks, int step, ahead_t *ahead) {
  for (int b = 0; b < blocks; b++) {
    C *block = (C *)F + (size_t)b * 4 * step;
    V w[4];
    constants_of(twiddles + 4 * b, 4, w);
    for (int j = 0; j < step; j++) {
      V re[4], im[4];
      ask(ahead);
      for (int q = 0; q < 4; q++) re[q] = block[j + q * step].re, im[q] = block[j + q * step].im;
      join_4(re, im, w);
      for (int q = 0; q < 4; q++) block[j + q * step] = (C){re[q], im[q]};
    }
  }
}

// All passes but the last.
static void begin_transform(const ring_t *ring, const double *x, double *F, reading_t how, ahead_t *ahead) {
  const int vectors = ring->size / 2 / W;
  int blocks = ring->radix[0];
#define FIRST_PASS(KIND) \
  case KIND: \
    how.kind = KIND; \
    if (blocks == 8) first_pass(ring, x, F, how, 8, ahead); else first_pass(ring, x, F, how, 4, ahead); \
    break;
  switch (how.kind) {
    FIRST_PASS(VALUES)
    FIRST_PASS(DIGITS)
    FIRST_PASS(WORDS)
  }
#undef FIRST_PASS
  for (int p = 1; p < ring->passes; p++, blocks *= 4) middle_pass(ring->twiddles[p], F, blocks, vectors / blocks / 4, ahead);
}

// The last pass of one block of W vectors: split as rows, turned, and split as columns.
INLINE void last_pass(const ring_t *ring, int block, V *re, V *im) {
  V w[8];
  constants_of(ring->row + block * LAST_CONSTANTS, W, w);
  split_W(re, im, w);
  transpose(re), transpose(im);
  split_W(re, im, (const V *)ring->lane + (size_t)block * LAST_CONSTANTS);
}
INLINE void first_pass_back(const ring_t *ring, int block, V *re, V *im) {
  V w[8];
  join_W(re, im, (const V *)ring->lane + (size_t)block * LAST_CONSTANTS);
  transpose(re), transpose(im);
  constants_of(ring->row + block * LAST_CONSTANTS, W, w);
  join_W(re, im, w);
}

// Values as torus words, of which those before the point are left out, and 12 bits below them are zero; |x| < 2^51.
INLINE U torus_words(V x) {
  return ((U)(centred(x) + all(1.5)) << 12) ^ all_words((uint64_t)1 << 63);  // the mantissa of 1.5 + x is 1/2 + x
}

// `words`: adds to what is at x, which are torus words.
INLINE void last_pass_back(const ring_t *ring, const double *F, double *x, int radix, int words, ahead_t *ahead) {
  const int half = ring->size / 2, step = half / W / radix;
  V w[8];
  constants_of(ring->twiddles[0], radix, w);
  for (int j = 0; j < step; j++) {
    V re[8], im[8];
    ask(ahead);
    for (int q = 0; q < radix; q++) { C c = ((const C *)F)[j + q * step]; re[q] = c.re, im[q] = c.im; }
    if (radix == 8) join_8(re, im, w); else join_4(re, im, w);
    for (int q = 0; q < radix; q++) {
      double *at = x + (size_t)(j + q * step) * W;
      if (words) *(U *)at += torus_words(re[q]), *(U *)(at + half) += torus_words(im[q]);
      else *(V *)at = re[q], *(V *)(at + half) = im[q];
    }
  }
}

static void passes_back(const ring_t *ring, double *F, ahead_t *ahead) {
  const int vectors = ring->size / 2 / W;
  int blocks = vectors / W;
  for (int p = ring->passes - 1; p > 0; p--) {
    blocks /= 4;
    middle_pass_back(ring->twiddles[p], F, blocks, vectors / blocks / 4, ahead);
  }
}

// The way back but for its first pass; F is destroyed. The result is N/2 times as large as what was transformed.
static void end_transform_back(const ring_t *ring, double *F, double *x) {
  passes_back(ring, F, 0);
  if (ring->radix[0] == 8) last_pass_back(ring, F, x, 8, 0, 0); else last_pass_back(ring, F, x, 4, 0, 0);
}

// As that, added to torus words.
static void end_transform_to_words(const ring_t *ring, double *F, uint64_t *words, ahead_t *ahead) {
  passes_back(ring, F, ahead);
  double *x = (double *)words;
  if (ring->radix[0] == 8) last_pass_back(ring, F, x, 8, 1, ahead); else last_pass_back(ring, F, x, 4, 1, ahead);
}

static void transform(const ring_t *ring, const double *x, double *F, double factor) {
  begin_transform(ring, x, F, (reading_t){VALUES, factor, 0, 0, 0, 0}, 0);
  for (int b = 0; b < ring->size / 2 / W / W; b++) {
    C *block = (C *)F + (size_t)W * b;
    V re[W], im[W];
    for (int q = 0; q < W; q++) re[q] = block[q].re, im[q] = block[q].im;
    last_pass(ring, b, re, im);
    for (int q = 0; q < W; q++) block[q] = (C){re[q], im[q]};
  }
}

static void transform_back(const ring_t *ring, double *F, double *x) {
  for (int b = 0; b < ring->size / 2 / W / W; b++) {
    C *block = (C *)F + (size_t)W * b;
    V re[W], im[W];
    for (int q = 0; q < W; q++) re[q] = block[q].re, im[q] = block[q].im;
    first_pass_back(ring, b, re, im);
    for (int q = 0; q < W; q++) block[q] = (C){re[q], im[q]};
  }
  end_transform_back(ring, F, x);
}
#endif
