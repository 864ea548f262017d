// Polynomials modulo X^N + 1 and primes below 2^56, in integers alone: every result is exact, by whichever path.
//
// A transformed polynomial has its values at the odd powers of psi. Its last log2 W levels are done on W blocks at
// once, one in each lane, and it stays so: value k of the usual, bit-reversed order, k = (g, l, j) in base W, is at
// (g, j, l).
#ifndef RESIDUE_TRANSFORM_H
#define RESIDUE_TRANSFORM_H
#include "exports.h"
#include "lanes.h"
#if defined(__AVX2__)
#include <immintrin.h>
#endif

#define MAX_PRIMES 16
#define LIMB 28  // a residue is two of them, and products of limbs add up, 64 times two, without a carry
#define LIMB_MASK ((1 << LIMB) - 1)

typedef unsigned __int128 wide_t;
typedef int64_t S __attribute__((vector_size(8 * W), may_alias));

// A number w modulo p, and floor(w 2^64 / p).
typedef struct { uint64_t w, quotient; } factor_t;
typedef struct { U w, quotient; } factors_t;

typedef struct {
  uint64_t p;
  factor_t one, limbs;            // 1, 2^56
  factor_t size;                  // 1 / N
  factor_t *row[2];               // forward and backward: of block b of 2^k, at 2^k + b
  factors_t *lane[2];             // of the last log2 W levels, W blocks side by side
} prime_t;

typedef struct {
  int size, levels, primes;
  prime_t prime[MAX_PRIMES];
} residues_t;

static uint64_t mul_mod(uint64_t a, uint64_t b, uint64_t p) { return (uint64_t)((wide_t)a * b % p); }

static factor_t factor_of(uint64_t w, uint64_t p) { return (factor_t){w, (uint64_t)(((wide_t)w << 64) / p)}; }

INLINE factors_t broadcast(factor_t f) { return (factors_t){all_words(f.w), all_words(f.quotient)}; }

// Products of the lower 32 bits.
INLINE U halves(U a, U b) {
#if W == 8 && defined(__AVX512F__)
  return (U)_mm512_mul_epu32((__m512i)a, (__m512i)b);
#elif W == 4 && defined(__AVX2__)
  return (U)_mm256_mul_epu32((__m256i)a, (__m256i)b);
#else
  return (a & 0xffffffff) * (b & 0xffffffff);
#endif
}

// x w - q p, q being short of x w / p by less than 4: one for the factor's quotient, two for the middle products' lower
// halves, one for the product of lower halves that is left out. So it is in 0 ... 4p - 1, for any x below 2^64.
INLINE U times_factor(U x, factors_t f, U p) {
  const U high = x >> 32, top = f.quotient >> 32;
  const U q = halves(high, top) + (halves(high, f.quotient) >> 32) + (halves(x, top) >> 32);
  return x * f.w - q * p;
}

// x < 2^63, less c where it is not below.
INLINE U below(U x, U c) { return x - (c & (U)((S)x >= (S)c)); }

INLINE U reduced_4(U x, U p) { return below(below(x, p + p), p); }

INLINE U load(const uint64_t *from) {
  U x;
  memcpy(&x, from, sizeof x);
  return x;
}

INLINE void store(uint64_t *to, U x) { memcpy(to, &x, sizeof x); }

// Lays the tables out behind the header. Returns the bytes that all of it takes.
static size_t lay_residues(residues_t *ring, int size, int primes, char *memory) {
  size_t used = (sizeof(residues_t) + 63) / 64 * 64;
  for (int i = 0; i < primes; i++)
    for (int way = 0; way < 2; way++) {
      if (ring) ring->prime[i].row[way] = (factor_t *)(memory + used);
      used += sizeof(factor_t) * size;
      if (ring) ring->prime[i].lane[way] = (factors_t *)(memory + used);
      used += sizeof(factors_t) * (size / W / W) * (W - 1);
    }
  return used;
}

EXPORT size_t NAME(residues_bytes)(int size, int primes) {
  const int is_size = size >= 512 && size <= 1 << 15 && !(size & (size - 1));
  return is_size && primes > 0 && primes <= MAX_PRIMES ? lay_residues(0, size, primes, 0) : 0;
}

EXPORT int NAME(residues_lanes)(void) { return W; }

// `roots`: a primitive root of unity of order 2N modulo each prime.
EXPORT void NAME(residues_make)(void *memory, int size, int primes, const uint64_t *p, const uint64_t *roots) {
  residues_t *ring = memory;
  ring->size = size, ring->primes = primes, ring->levels = 0;
  while (1 << ring->levels < size) ring->levels++;
  lay_residues(ring, size, primes, memory);
  const int groups = size / W / W, depth = ring->levels - LOG2_W;
  for (int i = 0; i < primes; i++) {
    prime_t *own = &ring->prime[i];
    uint64_t inverse = 1, half = (p[i] + 1) / 2;
    for (int k = 0; k < ring->levels; k++) inverse = mul_mod(inverse, half, p[i]);
    own->p = p[i];
    own->one = factor_of(1, p[i]);
    own->limbs = factor_of(mul_mod(1ull << LIMB, 1ull << LIMB, p[i]), p[i]);
    own->size = factor_of(inverse, p[i]);
    for (int way = 0; way < 2; way++) {
      uint64_t power = 1, root = roots[i];
      if (way)  // psi^(2N - 1)
        for (int k = 1; k < 2 * size - 1; k++) root = mul_mod(root, roots[i], p[i]);
      for (int e = 0; e < size; e++, power = mul_mod(power, root, p[i])) {
        int reversed = 0;
        for (int bit = 0; bit < ring->levels; bit++) reversed |= (e >> bit & 1) << (ring->levels - 1 - bit);
        own->row[way][reversed] = factor_of(power, p[i]);
      }
      factors_t *to = own->lane[way];
      for (int g = 0; g < groups; g++)
        for (int s = 0; s < LOG2_W; s++)
          for (int sub = 0; sub < 1 << s; sub++, to++)
            for (int l = 0; l < W; l++) {
              const factor_t f = own->row[way][(1 << (depth + s)) + ((g * W + l) << s) + sub];
              to->w[l] = f.w, to->quotient[l] = f.quotient;
            }
    }
  }
}

// Every butterfly adds less than 4p: from below 8p on, fifteen levels stay below 68p < 2^63.
INLINE void split(U *a, U *b, factors_t f, U p) {
  const U turned = times_factor(*b, f, p);
  *b = *a - turned + 4 * p;
  *a = *a + turned;
}

// Both stay below 4p.
INLINE void join(U *a, U *b, factors_t f, U p) {
  const U sum = below(*a + *b, 4 * p), difference = *a - *b + 4 * p;
  *a = sum;
  *b = times_factor(difference, f, p);
}

// Two levels of one block: `quarter` words in each of its four parts.
INLINE void split_block(const prime_t *own, int number, int quarter, const uint64_t *from, uint64_t *x) {
  const U p = all_words(own->p);
  const factor_t *row = own->row[0];
  const factors_t f = broadcast(row[number]), f0 = broadcast(row[2 * number]), f1 = broadcast(row[2 * number + 1]);
  for (int i = 0; i < quarter; i += W, from += W, x += W) {
    U a = load(from), b = load(from + quarter), c = load(from + 2 * quarter), d = load(from + 3 * quarter);
    split(&a, &c, f, p), split(&b, &d, f, p);
    split(&a, &b, f0, p), split(&c, &d, f1, p);
    store(x, a), store(x + quarter, b), store(x + 2 * quarter, c), store(x + 3 * quarter, d);
  }
}

INLINE void join_block(const prime_t *own, int number, int quarter, uint64_t *x) {
  const U p = all_words(own->p);
  const factor_t *row = own->row[1];
  const factors_t f = broadcast(row[number]), f0 = broadcast(row[2 * number]), f1 = broadcast(row[2 * number + 1]);
  for (int i = 0; i < quarter; i += W, x += W) {
    U a = load(x), b = load(x + quarter), c = load(x + 2 * quarter), d = load(x + 3 * quarter);
    join(&a, &b, f0, p), join(&c, &d, f1, p);
    join(&a, &c, f, p), join(&b, &d, f, p);
    store(x, a), store(x + quarter, b), store(x + 2 * quarter, c), store(x + 3 * quarter, d);
  }
}

// The last levels of W blocks, a lane each.
INLINE void split_lanes(const factors_t *lane, factors_t one, U p, uint64_t *x) {
  U v[W];
  for (int j = 0; j < W; j++) v[j] = load(x + j * W);
  transpose((V *)v);
  for (int s = 0, len = W / 2; s < LOG2_W; s++, len /= 2)
    for (int sub = 0; sub < 1 << s; sub++)
      for (U *a = v + 2 * len * sub, *end = a + len; a < end; a++) split(a, a + len, lane[(1 << s) - 1 + sub], p);
  for (int j = 0; j < W; j++) store(x + j * W, reduced_4(times_factor(v[j], one, p), p));
}

INLINE void join_lanes(const factors_t *lane, U p, uint64_t *x) {
  U v[W];
  for (int j = 0; j < W; j++) v[j] = load(x + j * W);
  for (int s = LOG2_W - 1, len = 1; s >= 0; s--, len *= 2)
    for (int sub = 0; sub < 1 << s; sub++)
      for (U *a = v + 2 * len * sub, *end = a + len; a < end; a++) join(a, a + len, lane[(1 << s) - 1 + sub], p);
  transpose((V *)v);
  for (int j = 0; j < W; j++) store(x + j * W, v[j]);
}

#define NEAR 1024  // words that a core's own cache holds beside their factors

// Words below 8p, in order of coefficients, become residues in the kernel's order. Large blocks are split first, level
// by level; then each small one is split to its end.
static void forward(const residues_t *ring, int index, const uint64_t *from, uint64_t *x) {
  const prime_t *own = &ring->prime[index];
  const U p = all_words(own->p);
  const int size = ring->size, depth = ring->levels - LOG2_W;
  int level = 0;
  if (depth & 1) {
    const factors_t f = broadcast(own->row[0][1]);
    for (int i = 0; i < size / 2; i += W) {
      U a = load(from + i), b = load(from + i + size / 2);
      split(&a, &b, f, p);
      store(x + i, a), store(x + i + size / 2, b);
    }
    level = 1;
    from = x;
  }
  for (; level < depth && size >> level > NEAR; level += 2, from = x)
    for (int block = 0; block < 1 << level; block++) {
      const size_t at = (size_t)block * (size >> level);
      split_block(own, (1 << level) + block, size >> (level + 2), from + at, x + at);
    }
  const factors_t one = broadcast(own->one);
  const int near = size >> level, groups = near / W / W;
  for (int part = 0; part < 1 << level; part++) {
    uint64_t *at = x + (size_t)part * near;
    const uint64_t *source = from + (size_t)part * near;
    for (int deeper = level; deeper < depth; deeper += 2, source = at)
      for (int block = 0; block < 1 << (deeper - level); block++) {
        const size_t offset = (size_t)block * (size >> deeper);
        const int number = (1 << deeper) + (part << (deeper - level)) + block;
        split_block(own, number, size >> (deeper + 2), source + offset, at + offset);
      }
    const factors_t *lane = own->lane[0] + (size_t)part * groups * (W - 1);
    for (int g = 0; g < groups; g++) split_lanes(lane + g * (W - 1), one, p, at + g * W * W);
  }
}

// The inverse; words below 4p become residues.
static void backward(const residues_t *ring, int index, uint64_t *x) {
  const prime_t *own = &ring->prime[index];
  const U p = all_words(own->p);
  const int size = ring->size, depth = ring->levels - LOG2_W;
  int level = depth & 1;
  while (level < depth && size >> level > NEAR) level += 2;
  const int near = size >> level, groups = near / W / W;
  for (int part = 0; part < 1 << level; part++) {
    uint64_t *at = x + (size_t)part * near;
    const factors_t *lane = own->lane[1] + (size_t)part * groups * (W - 1);
    for (int g = 0; g < groups; g++) join_lanes(lane + g * (W - 1), p, at + g * W * W);
    for (int deeper = depth - 2; deeper >= level; deeper -= 2)
      for (int block = 0; block < 1 << (deeper - level); block++) {
        const int number = (1 << deeper) + (part << (deeper - level)) + block;
        join_block(own, number, size >> (deeper + 2), at + (size_t)block * (size >> deeper));
      }
  }
  for (level -= 2; level >= 0; level -= 2)
    for (int block = 0; block < 1 << level; block++)
      join_block(own, (1 << level) + block, size >> (level + 2), x + (size_t)block * (size >> level));
  const factors_t last = broadcast(own->size);
  if (depth & 1) {
    const factors_t f = broadcast(own->row[1][1]);
    for (int i = 0; i < size / 2; i += W) {
      U a = load(x + i), b = load(x + i + size / 2);
      join(&a, &b, f, p);
      store(x + i, a), store(x + i + size / 2, b);
    }
  }
  for (int i = 0; i < size; i += W) store(x + i, reduced_4(times_factor(load(x + i), last, p), p));
}
#endif
