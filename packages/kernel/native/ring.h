// Constants of one ring Z[X]/(X^N + 1), in memory of the caller's: read-only once they are made, for all threads.
//
// A real polynomial modulo X^N + 1 is a complex one modulo X^M - i, M = N/2, with x[k] + i x[k + M] for coefficients.
// That is split level by level, X^2L - a^2 = (X^L - a)(X^L + a), a whole block of coefficients sharing its constant a.
// After d levels, block b of the 2^d is modulo X^(M/2^d) - c: c is e^(2 pi i t), t = (b, its d bits reversed, + 1/4) / 2^d.
#ifndef RING_H
#define RING_H
#include "lanes.h"
#include <math.h>

#define MAX_PASSES 8

typedef struct {
  int size;                    // N
  int levels;                  // log2 M
  int passes;                  // all but the last, which splits 2 log2 W levels
  int radix[MAX_PASSES];       // 4 or 8 of the first pass, 4 of the others
  double *twiddles[MAX_PASSES];  // of each pass and block: constants of its levels
  double *row, *lane;          // of each block of the last pass: for whole vectors, and lane by lane
} ring_t;

// Constants of a block that is split into `radix` parts: doubles, real and imaginary.
#define CONSTANTS(radix) (2 * (radix) - 2)
#define LAST_CONSTANTS CONSTANTS(W)

static double angle_of(unsigned block, int level) {
  unsigned reversed = 0;
  for (int i = 0; i < level; i++) reversed = reversed << 1 | (block >> i & 1);
  return ldexp(reversed + 0.25, -level);
}

// e^(2 pi i turns), to the last bit or so: sine and cosine are asked for an eighth of a turn at the most.
static void on_circle(double turns, double *re, double *im) {
  double quarters = nearbyint(4 * turns), rest = 2 * 3.14159265358979323846 * (turns - quarters / 4);
  double c = cos(rest), s = sin(rest);
  switch ((int)quarters & 3) {
    case 0: *re = c, *im = s; break;
    case 1: *re = -s, *im = c; break;
    case 2: *re = -c, *im = -s; break;
    default: *re = s, *im = -c;
  }
}

// Constants of a block of angle t, which is modulo X^L - c: the powers 1 to radix - 1 of that root of c whose angle is
// t / radix. Times such a power, part q of the block's coefficients is what a discrete Fourier transform splits.
static void put_constants(double *to, size_t stride, double t, int radix) {
  for (int q = 1; q < radix; q++, to += 2 * stride) on_circle(t / radix * q, to, to + stride);
}

static size_t aligned_size(size_t bytes) { return (bytes + 63) / 64 * 64; }

// Lays a ring out behind its header, and fills it unless `fill` is 0. Returns the bytes that it takes.
static size_t lay_out(ring_t *ring, int size, char *memory, int fill) {
  ring_t plan = {size, 0, 0, {0}, {0}, 0, 0};
  while (1 << plan.levels < size / 2) plan.levels++;
  const int top = plan.levels - 2 * LOG2_W;
  size_t used = aligned_size(sizeof(ring_t));
  int depth = 0;
  for (int rest = top; rest > 0; plan.passes++) {
    const int bits = rest % 2 && rest == top ? 3 : 2, radix = 1 << bits, blocks = 1 << depth;
    plan.radix[plan.passes] = radix;
    double *to = plan.twiddles[plan.passes] = (double *)(memory + used);
    used += aligned_size(sizeof(double) * blocks * CONSTANTS(radix));
    if (fill)
      for (int b = 0; b < blocks; b++) put_constants(to + b * CONSTANTS(radix), 1, angle_of(b, depth), radix);
    depth += bits;
    rest -= bits;
  }
  const int blocks = 1 << depth;
  plan.row = (double *)(memory + used);
  used += aligned_size(sizeof(double) * blocks * LAST_CONSTANTS);
  plan.lane = (double *)(memory + used);
  used += sizeof(double) * blocks * LAST_CONSTANTS * W;
  if (fill) {
    for (int b = 0; b < blocks; b++) put_constants(plan.row + b * LAST_CONSTANTS, 1, angle_of(b, depth), W);
    for (int b = 0; b < blocks * W; b++)
      put_constants(plan.lane + b / W * LAST_CONSTANTS * W + b % W, W, angle_of(b, depth + LOG2_W), W);
    *ring = plan;
  }
  return used;
}

// Whether there is a transform of this size: with eight lanes, two levels have to be left before the last pass.
static int is_ring_size(int size) { return size >= 512 && size <= 1 << 15 && !(size & (size - 1)); }
#endif
