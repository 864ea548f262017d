// What BFV does with polynomials modulo primes: sums of products, combinations, and divisions by a prime that round.
#ifndef RESIDUES_H
#define RESIDUES_H
#include "residue_transform.h"

// Three sums of products of limbs.
typedef struct { U low, middle, high; } sums_t;

INLINE void add_limbs(sums_t *sums, U x, U y) {
  const U x0 = x & LIMB_MASK, x1 = x >> LIMB, y0 = y & LIMB_MASK, y1 = y >> LIMB;
  sums->low += halves(x0, y0);
  sums->middle += halves(x0, y1) + halves(x1, y0);
  sums->high += halves(x1, y1);
}

// What they stand for, modulo p; the middle's limbs belong to the other two.
INLINE U residue_of(sums_t sums, const prime_t *own) {
  const U p = all_words(own->p);
  const U low = sums.low + ((sums.middle & LIMB_MASK) << LIMB), high = sums.high + (sums.middle >> LIMB);
  const U total = times_factor(low, broadcast(own->one), p) + times_factor(high, broadcast(own->limbs), p);
  return reduced_4(below(total, 4 * p), p);
}

// Polynomial by polynomial, `primes` naming the prime of each: forward or backward.
EXPORT void NAME(residues_transform)(const void *place, int back, size_t count, const int64_t *primes, uint64_t *x) {
  const residues_t *ring = place;
  for (size_t i = 0; i < count; i++, x += ring->size)
    if (back) backward(ring, (int)primes[i], x);
    else forward(ring, (int)primes[i], x, x);
}

// One polynomial of words below 8p, transformed modulo each of the primes.
EXPORT void NAME(residues_spread)(const void *place, size_t count, const int64_t *primes, const uint64_t *from,
                                  uint64_t *out) {
  const residues_t *ring = place;
  for (size_t i = 0; i < count; i++) forward(ring, (int)primes[i], from, out + i * ring->size);
}

#define PAGE 512  // words of each polynomial that are read before the next sum, so that x is read from memory once

// out[g][r][q] = the sum over k of x[k][r * step + q] y[g][k][q] modulo primes[q], q < width, r < rows; addresses in x
// and y, 0 in y for none.
EXPORT void NAME(residues_products)(const void *place, size_t sums, size_t count, size_t rows, size_t step,
                                    size_t width, const int64_t *primes, const uint64_t *const *x,
                                    const uint64_t *const *y, uint64_t *out) {
  const residues_t *ring = place;
  const size_t size = ring->size;
  for (size_t q = 0; q < width; q++) {
    const prime_t *own = &ring->prime[primes[q]];
    for (size_t page = 0; page < size; page += PAGE)
      for (size_t g = 0; g < sums; g++) {
        const uint64_t *const *factors = y + g * count;
        uint64_t *to = out + (g * rows * width + q) * size;
        for (size_t i = page; i < page + PAGE; i += W)
          for (size_t r = 0; r < rows; r += 2) {  // a ciphertext's body and mask, so that y is read once
            const int both = r + 1 < rows;
            sums_t one = {{0}, {0}, {0}}, other = {{0}, {0}, {0}};
            for (size_t k = 0; k < count; k++) {
              if (!factors[k]) continue;
              const U factor = load(factors[k] + q * size + i);
              const uint64_t *from = x[k] + (r * step + q) * size + i;
              add_limbs(&one, load(from), factor);
              if (both) add_limbs(&other, load(from + step * size), factor);
            }
            store(to + r * width * size + i, residue_of(one, own));
            if (both) store(to + (r + 1) * width * size + i, residue_of(other, own));
          }
      }
  }
}

// out[q] = the sum over k of x[k] factors[q][k] modulo primes[q]; q < width.
EXPORT void NAME(residues_combine)(const void *place, size_t count, size_t width, const int64_t *primes,
                                   const uint64_t *x, const uint64_t *factors, uint64_t *out) {
  const residues_t *ring = place;
  const size_t size = ring->size;
  for (size_t q = 0; q < width; q++)
    for (size_t i = 0; i < size; i += W) {
      sums_t sums = {{0}, {0}, {0}};
      for (size_t k = 0; k < count; k++) add_limbs(&sums, load(x + k * size + i), all_words(factors[q * count + k]));
      store(out + q * size + i, residue_of(sums, &ring->prime[primes[q]]));
    }
}

// x[k] times factors[k], in place.
EXPORT void NAME(residues_scale)(const void *place, size_t count, const int64_t *primes, const uint64_t *factors,
                                 uint64_t *x) {
  const residues_t *ring = place;
  for (size_t k = 0; k < count; k++, x += ring->size) {
    const prime_t *own = &ring->prime[primes[k]];
    const U p = all_words(own->p);
    const factors_t factor = broadcast(factor_of(factors[k], own->p));
    for (int i = 0; i < ring->size; i += W) store(x + i, reduced_4(times_factor(load(x + i), factor, p), p));
  }
}

// The nearest integer to the sum over k of x[k] inverses[k], which is below 2^20.
EXPORT void NAME(residues_quotients)(const void *place, size_t count, const double *inverses, const uint64_t *x,
                                     uint64_t *out) {
  const size_t size = ((const residues_t *)place)->size;
  const V zero = all(4503599627370496.0);  // 2^52, whose last bits hold an integer
  const U bits = all_words(0x4330000000000000);
  for (size_t i = 0; i < size; i += W) {
    V total = all(0.0);
    for (size_t k = 0; k < count; k++) {
      const U word = load(x + k * size + i);
      const V low = (V)((word & LIMB_MASK) | bits) - zero, high = (V)(word >> LIMB | bits) - zero;
      total += (high * all(1 << LIMB) + low) * all(inverses[k]);
    }
    store(out + i, (U)(total + zero) ^ bits);
  }
}

// Words of polynomials of coefficients, each divided by the prime `last`, whose own residues are in `rest`:
// (x[q] - rest) / last modulo primes[q], to the nearest, in place. With `transformed`, x and the results are.
EXPORT void NAME(residues_divide)(const void *place, int last, uint64_t *rest, size_t width, const int64_t *primes,
                                  const uint64_t *inverses, int transformed, uint64_t *x, uint64_t *scratch) {
  const residues_t *ring = place;
  const size_t size = ring->size;
  const uint64_t half = ring->prime[last].p / 2;
  const U p_last = all_words(ring->prime[last].p);
  for (size_t i = 0; i < size; i += W) store(rest + i, below(load(rest + i) + all_words(half), p_last));
  for (size_t q = 0; q < width; q++) {
    const prime_t *own = &ring->prime[primes[q]];
    const U p = all_words(own->p), back = all_words(own->p - half % own->p);
    const factors_t inverse = broadcast(factor_of(inverses[q], own->p));
    uint64_t *to = x + q * size;
    for (size_t i = 0; i < size; i += W) store(scratch + i, load(rest + i) + back);  // below 5p
    if (transformed) forward(ring, (int)primes[q], scratch, scratch);
    for (size_t i = 0; i < size; i += W)
      store(to + i, reduced_4(times_factor(load(to + i) + 8 * p - load(scratch + i), inverse, p), p));
  }
}

// Polynomials, each with its words in another order: word i of one is word places[i] of the other.
EXPORT void NAME(residues_permute)(const void *place, size_t count, const int32_t *places, const uint64_t *x,
                                   uint64_t *out) {
  const size_t size = ((const residues_t *)place)->size;
  for (size_t k = 0; k < count; k++, x += size, out += size)
    for (size_t i = 0; i < size; i++) out[i] = x[places[i]];
}

// x + y, or x - y, modulo the primes: polynomial by polynomial, into x.
EXPORT void NAME(residues_add)(const void *place, int minus, size_t count, const int64_t *primes, uint64_t *x,
                               const uint64_t *y) {
  const residues_t *ring = place;
  for (size_t k = 0; k < count; k++, x += ring->size, y += ring->size) {
    const U p = all_words(ring->prime[primes[k]].p);
    for (int i = 0; i < ring->size; i += W)
      store(x + i, below(minus ? load(x + i) + p - load(y + i) : load(x + i) + load(y + i), p));
  }
}
#endif
