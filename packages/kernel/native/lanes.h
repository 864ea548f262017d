// Vectors of W doubles, W being 4 or 8: what the compiler makes of them is the instruction set's affair.
#ifndef LANES_H
#define LANES_H
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define INLINE static inline __attribute__((always_inline))

typedef double V __attribute__((vector_size(8 * W)));
typedef uint64_t U __attribute__((vector_size(8 * W), may_alias));
typedef uint64_t word_t __attribute__((may_alias));  // a double's bits, where it stands

#if defined(__clang__) || __GNUC__ >= 12
#define SHUFFLE(a, b, ...) __builtin_shufflevector(a, b, __VA_ARGS__)
#else
typedef int64_t I __attribute__((vector_size(8 * W)));
#define SHUFFLE(a, b, ...) __builtin_shuffle(a, b, (I){__VA_ARGS__})
#endif

#if W == 8
#define LOG2_W 3
INLINE V all(double x) { return (V){x, x, x, x, x, x, x, x}; }
INLINE U all_words(uint64_t x) { return (U){x, x, x, x, x, x, x, x}; }
#else
#define LOG2_W 2
INLINE V all(double x) { return (V){x, x, x, x}; }
INLINE U all_words(uint64_t x) { return (U){x, x, x, x}; }
#endif

// The nearest integer, halves to even, for |x| < 2^51: the sum has no bit left below the point.
INLINE V nearest(V x) {
  const V magic = all(6755399441055744.0);  // 1.5 * 2^52
  return (x + magic) - magic;
}

// To the nearest representative, -1/2 ... 1/2.
INLINE V centred(V x) { return x - nearest(x); }

// W vectors as the rows of a matrix, turned into its columns.
INLINE void transpose(V *r) {
#if W == 8
  V a[8], b[8];
  for (int i = 0; i < 8; i += 2) {
    a[i] = SHUFFLE(r[i], r[i + 1], 0, 8, 2, 10, 4, 12, 6, 14);
    a[i + 1] = SHUFFLE(r[i], r[i + 1], 1, 9, 3, 11, 5, 13, 7, 15);
  }
  for (int i = 0; i < 8; i += 4)
    for (int k = 0; k < 2; k++) {
      b[i + k] = SHUFFLE(a[i + k], a[i + k + 2], 0, 1, 8, 9, 4, 5, 12, 13);
      b[i + k + 2] = SHUFFLE(a[i + k], a[i + k + 2], 2, 3, 10, 11, 6, 7, 14, 15);
    }
  for (int k = 0; k < 4; k++) {
    r[k] = SHUFFLE(b[k], b[k + 4], 0, 1, 2, 3, 8, 9, 10, 11);
    r[k + 4] = SHUFFLE(b[k], b[k + 4], 4, 5, 6, 7, 12, 13, 14, 15);
  }
#else
  V a = SHUFFLE(r[0], r[1], 0, 4, 2, 6), b = SHUFFLE(r[0], r[1], 1, 5, 3, 7);
  V c = SHUFFLE(r[2], r[3], 0, 4, 2, 6), d = SHUFFLE(r[2], r[3], 1, 5, 3, 7);
  r[0] = SHUFFLE(a, c, 0, 1, 4, 5);
  r[1] = SHUFFLE(b, d, 0, 1, 4, 5);
  r[2] = SHUFFLE(a, c, 2, 3, 6, 7);
  r[3] = SHUFFLE(b, d, 2, 3, 6, 7);
#endif
}
#endif
