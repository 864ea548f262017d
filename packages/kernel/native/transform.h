// Transforms, pass by pass. Values are left in the order of the last split, which nothing here needs to be another.
//
// A polynomial is N doubles, constant term first. Its transform is N/2/W pairs of vectors, real and imaginary parts.
#ifndef TRANSFORM_H
#define TRANSFORM_H
#include "ring.h"

typedef struct { V re, im; } C;

// x w, and x over w, for |w| = 1.
INLINE C times(V re, V im, const V *w) { return (C){re * w[0] - im * w[1], re * w[1] + im * w[0]}; }
INLINE C over(V re, V im, const V *w) { return (C){re * w[0] + im * w[1], im * w[0] - re * w[1]}; }

// a + b, a - b; and a + i b, a - i b.
INLINE C plus(C a, C b) { return (C){a.re + b.re, a.im + b.im}; }
INLINE C minus(C a, C b) { return (C){a.re - b.re, a.im - b.im}; }
INLINE C plus_i(C a, C b) { return (C){a.re - b.im, a.im + b.re}; }
INLINE C minus_i(C a, C b) { return (C){a.re + b.im, a.im - b.re}; }

// Discrete Fourier transforms of what was multiplied by powers of a block's root; the order of results is that of bits
// reversed. And the ways back, times 4 and 8.
INLINE void split_4(V *re, V *im, const V *w) {
  const C x0 = {re[0], im[0]}, x1 = times(re[1], im[1], w), x2 = times(re[2], im[2], w + 2), x3 = times(re[3], im[3], w + 4);
  const C s0 = plus(x0, x2), s1 = plus(x1, x3), d0 = minus(x0, x2), d1 = minus(x1, x3);
  const C y[4] = {plus(s0, s1), minus(s0, s1), plus_i(d0, d1), minus_i(d0, d1)};
  for (int q = 0; q < 4; q++) re[q] = y[q].re, im[q] = y[q].im;
}
INLINE void join_4(V *re, V *im, const V *w) {
  const C y0 = {re[0], im[0]}, y1 = {re[1], im[1]}, y2 = {re[2], im[2]}, y3 = {re[3], im[3]};
  const C s0 = plus(y0, y1), s1 = minus(y0, y1), d0 = plus(y2, y3), d1 = minus(y2, y3);
  const C x1 = minus_i(s1, d1), x2 = minus(s0, d0), x3 = plus_i(s1, d1);
  const C x[4] = {plus(s0, d0), over(x1.re, x1.im, w), over(x2.re, x2.im, w + 2), over(x3.re, x3.im, w + 4)};
  for (int q = 0; q < 4; q++) re[q] = x[q].re, im[q] = x[q].im;
}

// a + b / sqrt(2), a - b / sqrt(2); and a + i b / sqrt(2), a - i b / sqrt(2).
#define HALF_ROOT all(0.70710678118654752440)
INLINE C plus_part(C a, C b) { return (C){a.re + HALF_ROOT * b.re, a.im + HALF_ROOT * b.im}; }
INLINE C minus_part(C a, C b) { return (C){a.re - HALF_ROOT * b.re, a.im - HALF_ROOT * b.im}; }
INLINE C plus_part_i(C a, C b) { return (C){a.re - HALF_ROOT * b.im, a.im + HALF_ROOT * b.re}; }
INLINE C minus_part_i(C a, C b) { return (C){a.re + HALF_ROOT * b.im, a.im - HALF_ROOT * b.re}; }

INLINE void split_8(V *re, V *im, const V *w) {
  C x[8], s[4], d[4];
  x[0] = (C){re[0], im[0]};
  for (int q = 1; q < 8; q++) x[q] = times(re[q], im[q], w + 2 * q - 2);
  for (int q = 0; q < 4; q++) s[q] = plus(x[q], x[q + 4]), d[q] = minus(x[q], x[q + 4]);
  const C s0 = plus(s[0], s[2]), s1 = plus(s[1], s[3]), s2 = minus(s[0], s[2]), s3 = minus(s[1], s[3]);
  const C d0 = plus_i(d[0], d[2]), d1 = plus_i(d[1], d[3]), d2 = minus_i(d[0], d[2]), d3 = minus_i(d[1], d[3]);
  const C t1 = plus_i(d1, d1), t3 = plus_i(d3, d3);  // (1 + i) times d1 and d3
  const C y[8] = {plus(s0, s1),         minus(s0, s1),        plus_i(s2, s3),         minus_i(s2, s3),
                  plus_part(d0, t1), minus_part(d0, t1), plus_part_i(d2, t3), minus_part_i(d2, t3)};
  for (int q = 0; q < 8; q++) re[q] = y[q].re, im[q] = y[q].im;
}
INLINE void join_8(V *re, V *im, const V *w) {
  C y[8];
  for (int q = 0; q < 8; q++) y[q] = (C){re[q], im[q]};
  const C p0 = plus(y[0], y[1]), p1 = minus(y[0], y[1]), p2 = plus(y[2], y[3]), p3 = minus(y[2], y[3]);
  const C s0 = plus(p0, p2), s2 = minus(p0, p2), s1 = minus_i(p1, p3), s3 = plus_i(p1, p3);
  const C d0 = plus(y[4], y[5]), d1 = minus(y[4], y[5]), d2 = plus(y[6], y[7]), d3 = minus(y[6], y[7]);
  const C t1 = minus_i(d1, d1), t3 = minus_i(d3, d3);  // (1 - i) times d1 and d3
  const C e0 = plus(d0, d2), e2 = minus(d0, d2), e1 = minus_i(t1, t3), e3 = plus_i(t1, t3);
  const C x[8] = {plus(s0, e0),  plus_part(s1, e1),  minus_i(s2, e2), minus_part_i(s3, e3),
                  minus(s0, e0), minus_part(s1, e1), plus_i(s2, e2),  plus_part_i(s3, e3)};
  re[0] = x[0].re, im[0] = x[0].im;
  for (int q = 1; q < 8; q++) {
    const C y_q = over(x[q].re, x[q].im, w + 2 * q - 2);
    re[q] = y_q.re, im[q] = y_q.im;
  }
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
  V w[CONSTANTS(8)];
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

// What the first pass leaves are `radix` parts, each of which goes through the middle passes as a whole: it fits the first
// cache where polynomials do not. Blocks from `first` on.
static void middle_pass(const double *twiddles, double *F, int first, int blocks, int step, ahead_t *ahead) {
  for (int b = first; b < first + blocks; b++) {
    C *block = (C *)F + (size_t)b * 4 * step;
    V w[CONSTANTS(4)];
    constants_of(twiddles + CONSTANTS(4) * b, 4, w);
    for (int j = 0; j < step; j++) {
      V re[4], im[4];
      ask(ahead);
      for (int q = 0; q < 4; q++) re[q] = block[j + q * step].re, im[q] = block[j + q * step].im;
      split_4(re, im, w);
      for (int q = 0; q < 4; q++) block[j + q * step] = (C){re[q], im[q]};
    }
  }
}

static void middle_pass_back(const double *twiddles, double *F, int first, int blocks, int step, ahead_t *ahead) {
  for (int b = first; b < first + blocks; b++) {
    C *block = (C *)F + (size_t)b * 4 * step;
    V w[CONSTANTS(4)];
    constants_of(twiddles + CONSTANTS(4) * b, 4, w);
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
  const int radix = ring->radix[0], vectors = ring->size / 2 / W;
#define FIRST_PASS(KIND) \
  case KIND: \
    how.kind = KIND; \
    if (radix == 8) first_pass(ring, x, F, how, 8, ahead); else first_pass(ring, x, F, how, 4, ahead); \
    break;
  switch (how.kind) {
    FIRST_PASS(VALUES)
    FIRST_PASS(DIGITS)
    FIRST_PASS(WORDS)
  }
#undef FIRST_PASS
  for (int part = 0; part < radix; part++)
    for (int p = 1, blocks = 1; p < ring->passes; p++, blocks *= 4)
      middle_pass(ring->twiddles[p], F, part * blocks, blocks, vectors / radix / blocks / 4, ahead);
}

// The last pass of one block of W vectors: split as rows, turned, and split as columns.
INLINE void last_pass(const ring_t *ring, int block, V *re, V *im) {
  V w[CONSTANTS(8)];
  constants_of(ring->row + block * LAST_CONSTANTS, W, w);
  split_W(re, im, w);
  transpose(re), transpose(im);
  split_W(re, im, (const V *)ring->lane + (size_t)block * LAST_CONSTANTS);
}
INLINE void first_pass_back(const ring_t *ring, int block, V *re, V *im) {
  V w[CONSTANTS(8)];
  join_W(re, im, (const V *)ring->lane + (size_t)block * LAST_CONSTANTS);
  transpose(re), transpose(im);
  constants_of(ring->row + block * LAST_CONSTANTS, W, w);
  join_W(re, im, w);
}

// Values as torus words, of which those before the point are left out, and 12 bits below them are zero; |x| < 2^51.
INLINE U torus_words(V x) {
  return ((U)(centred(x) + all(1.5)) << 12) ^ all_words((uint64_t)1 << 63);  // the mantissa of 1.5 + x is 1/2 + x
}

// What the last pass back does with a coefficient y at x: puts it there (TO_VALUES), or adds it to a torus word (TO_WORDS);
// or, for the two parts of a split (TO_PARTS), with `image` less y, or 0 less y where there is none, makes x the fraction of x + that,
// and puts that of x - that, times X^-power, to `other`.
enum { TO_VALUES, TO_WORDS, TO_PARTS };
typedef struct { int kind; double *x; const double *image; double *other; int power; } writing_t;

// out = x X^-power, `power` at most N - 1, for x that comes vector by vector.
INLINE void put_turned(double *out, int n, int power, int j, V x) {
  if (j >= power) {
    memcpy(out + j - power, &x, sizeof(V));
  } else if (j + W <= power) {
    x = -x;
    memcpy(out + n + j - power, &x, sizeof(V));
  } else {
    for (int lane = 0; lane < W; lane++) {
      if (j + lane >= power) out[j + lane - power] = x[lane];
      else out[n + j + lane - power] = -x[lane];
    }
  }
}

// Coefficients of one step: y[0] from x[at] on, y[1] from x[at + apart] on, and so on. All are read before the first is
// written: processors take a store for one to where a load is from that lies a multiple of 4 KiB away, and let it wait.
INLINE void write_vectors(writing_t how, int n, int at, int apart, V *y, int count) {
  V before[16];
  for (int q = 0; q < count && how.kind == TO_PARTS; q++)
    y[q] = how.image ? *(const V *)(how.image + at + q * apart) - y[q] : -y[q];
  for (int q = 0; q < count && how.kind != TO_VALUES; q++) before[q] = *(const V *)(how.x + at + q * apart);
  for (int q = 0; q < count; q++) {
    const int j = at + q * apart;
    if (how.kind == TO_VALUES) *(V *)(how.x + j) = y[q];
    else if (how.kind == TO_WORDS) *(U *)(how.x + j) = (U)before[q] + torus_words(y[q]);
    else *(V *)(how.x + j) = centred(before[q] + y[q]), put_turned(how.other, n, how.power, j, centred(before[q] - y[q]));
  }
}

INLINE void last_pass_back_of(const ring_t *ring, const double *F, writing_t how, int radix, ahead_t *ahead) {
  const int half = ring->size / 2, step = half / W / radix;
  V w[CONSTANTS(8)];
  constants_of(ring->twiddles[0], radix, w);
  for (int j = 0; j < step; j++) {
    V y[16];  // real and then imaginary parts: lower and upper half of the coefficients
    ask(ahead);
    for (int q = 0; q < radix; q++) { C c = ((const C *)F)[j + q * step]; y[q] = c.re, y[radix + q] = c.im; }
    if (radix == 8) join_8(y, y + radix, w); else join_4(y, y + radix, w);
    write_vectors(how, ring->size, j * W, step * W, y, 2 * radix);
  }
}

static void last_pass_back(const ring_t *ring, const double *F, writing_t how, ahead_t *ahead) {
#define LAST_PASS_BACK(KIND) \
  case KIND: \
    how.kind = KIND; \
    if (ring->radix[0] == 8) last_pass_back_of(ring, F, how, 8, ahead); else last_pass_back_of(ring, F, how, 4, ahead); \
    break;
  switch (how.kind) {
    LAST_PASS_BACK(TO_VALUES)
    LAST_PASS_BACK(TO_WORDS)
    LAST_PASS_BACK(TO_PARTS)
  }
#undef LAST_PASS_BACK
}

static void passes_back(const ring_t *ring, double *F, ahead_t *ahead) {
  const int radix = ring->radix[0], vectors = ring->size / 2 / W;
  for (int part = 0; part < radix; part++)
    for (int p = ring->passes - 1, blocks = vectors / radix / W / 4; p > 0; p--, blocks /= 4)
      middle_pass_back(ring->twiddles[p], F, part * blocks, blocks, vectors / radix / blocks / 4, ahead);
}

// The way back but for its first pass; F is destroyed. The result is N/2 times as large as what was transformed.
static void end_transform_back(const ring_t *ring, double *F, writing_t how, ahead_t *ahead) {
  passes_back(ring, F, ahead);
  last_pass_back(ring, F, how, ahead);
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
  end_transform_back(ring, F, (writing_t){TO_VALUES, x, 0, 0, 0}, 0);
}
#endif
