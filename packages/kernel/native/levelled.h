// Evaluation of levelled circuits (protos/SPEC-LEVELLED.md, "Evaluation"): of one row, in memory of the caller's.
#ifndef LEVELLED_H
#define LEVELLED_H
#include "exports.h"
#include "pairs.h"

// Doubles of scratch that any function below takes for a ring of N: digits of MAX_ROWS rows, and six polynomials.
#define SCRATCH(n) ((size_t)(MAX_ROWS + 6) * (n))

EXPORT size_t NAME(ring_bytes)(int size) { return is_ring_size(size) ? lay_out(0, size, 0, 0) : 0; }
EXPORT void NAME(ring_make)(ring_t *ring, int size) { lay_out(ring, size, (char *)ring, 1); }
EXPORT size_t NAME(scratch_bytes)(int size) { return sizeof(double) * SCRATCH(size); }

EXPORT void NAME(transform)(const ring_t *ring, const double *polynomials, size_t count, double *transforms) {
  for (size_t j = 0; j < count; j++)
    transform(ring, polynomials + j * ring->size, transforms + j * ring->size, 1.0);
}

EXPORT void NAME(transform_back)(const ring_t *ring, double *transforms, size_t count, double *polynomials) {
  const V scale = all(2.0 / ring->size);
  for (size_t j = 0; j < count; j++) {
    double *x = polynomials + j * ring->size;
    transform_back(ring, transforms + j * ring->size, x);
    for (int k = 0; k < ring->size; k += W) *(V *)(x + k) *= scale;
  }
}

// Ciphertexts to pairs, in place.
EXPORT void NAME(pairs)(const ring_t *ring, double *ciphertexts, size_t count, double *scratch) {
  for (size_t j = 0; j < count; j++) {
    double *at = ciphertexts + j * 2 * ring->size;
    to_pair(ring, at, at, scratch);
  }
}

// x(X^turn), turn = N / 2^number + 1. Coefficient t goes to t * turn modulo 2N, its sign turned in the second N of them:
// so the sign turns whenever a walk in steps of `turn` comes to the end. Where steps are larger than N, it turns at each.
static void automorphism(const double *x, double *out, int n, int number) {
  const uint32_t turn = (uint32_t)(n >> number) + 1, end = (uint32_t)n;
  const word_t *from = (const word_t *)x, *last = from + n;
  word_t *to = (word_t *)out, sign = 0;
  for (uint32_t at = 0; from < last; sign ^= (word_t)1 << 63, at -= end)
    for (; at < end && from < last; at += turn) to[at] = *from++ ^ sign;
}

// even, odd = even + t(even), (even - t(even)) X^-power, t being the automorphism X -> X^(N / 2^number + 1). Under the key, t(even) is
// (0, t(body)) less the product of the digits of t(mask) and the key's rows.
static void split_leaf(const ring_t *ring, double *even, double *odd, int number, int power, gadget_t gadget, const double *const *key, double *scratch) {
  const int n = ring->size;
  double *mask = scratch, *body = mask + n, *sums = body + n, *F = sums + 2 * n;
  automorphism(even, mask, n, number);
  automorphism(even + n, body, n, number);
  spread(ring, mask, gadget, F, odd, sizeof(double) * 2 * n);
  times_rows_back(ring, F, gadget.levels, key, sums);
  end_transform_back(ring, sums, (writing_t){TO_PARTS, even, 0, odd, power}, 0);
  end_transform_back(ring, sums + n, (writing_t){TO_PARTS, even + n, body, odd + n, power}, 0);
}

// A ciphertext of m to its pair, in place, and the pair of -s m, to `switched`: the digits of its mask times the key's rows,
// and its body for a mask. The digits' transforms make the mask's, too, but for what digits leave over.
INLINE void switch_leaf(const ring_t *ring, double *leaf, gadget_t gadget, int levels, const double *const *key, double *switched, double *F) {
  const int n = ring->size;
  double *body = F + (size_t)levels * n, weight[MAX_ROWS];
  for (int j = 0; j < levels; j++) weight[j] = ldexp(2.0 / n, -gadget.base_log * (j + 1));
  spread(ring, leaf, gadget, F, switched, sizeof(double) * 2 * n);
  begin_transform(ring, leaf + n, body, (reading_t){VALUES, 2.0 / n, 0, 0, 0, 0}, 0);
  for (int b = 0; b < n / 2 / W / W; b++) {
    C digits[MAX_ROWS + 1][W];
    for (int j = 0; j <= levels; j++) last_pass_of(ring, F + (size_t)j * n, b, digits[j]);
    for (int q = 0; q < W; q++) {
      const size_t at = (size_t)W * b + q;
      pair_t pair = {{all(0), all(0)}, digits[levels][q]}, sum = {digits[levels][q], {all(0), all(0)}};
      for (int j = 0; j < levels; j++) {
        const pair_t row = ((const pair_t *)key[j])[at];
        const C digit = digits[j][q];
        pair.mask.re += all(weight[j]) * digit.re, pair.mask.im += all(weight[j]) * digit.im;
        add_product(&sum.mask, digit, row.mask);
        add_product(&sum.body, digit, row.body);
      }
      ((pair_t *)leaf)[at] = pair, ((pair_t *)switched)[at] = sum;
    }
  }
}

static void switch_some(const ring_t *ring, double *leaves, size_t count, gadget_t gadget, const double *key, double *switched, double *scratch) {
  const size_t size = 2 * (size_t)ring->size;
  const double *rows[MAX_ROWS];
  rows_of(ring, key, gadget.levels, rows);
  for (; count; count--, leaves += size, switched += size) {
    if (gadget.levels == 3) switch_leaf(ring, leaves, gadget, 3, rows, switched, scratch);
    else switch_leaf(ring, leaves, gadget, gadget.levels, rows, switched, scratch);
  }
}

// Ciphertexts of m to pairs, in place, of masks that are rounded to the gadget's digits; and the pairs of -s m, to `switched`.
EXPORT void NAME(switch_leaves)(const ring_t *ring, double *leaves, size_t count, const gadget_t *gadget, const double *key, double *switched, double *scratch) {
  switch_some(ring, leaves, count, *gadget, key, switched, scratch);
}

// Keys of a row's expansion: for the automorphism X -> X^(N / 2^k + 1), pairs one after the other at automorphism[k], by
// gadgets[k]; and of the switch.
typedef struct { const gadget_t *gadgets; const double *const *automorphism; gadget_t gadget; const double *key; } expansion_t;

// What becomes of a leaf: it stays a ciphertext; its pair; or its pair, and that of -s times what it encrypts, to `switched`.
enum { STAYS, PAIR, SWITCHED };

// A tree below leaf j of a level, which is so many leaves apart from the one that is split off: depth first, so that caches hold
// what is worked on. No deeper than the tree.
static void expand_below(const ring_t *ring, double *leaves, size_t count, size_t j, int level, int depth, int shift, const expansion_t *keys, const int64_t *becomes,
                         double *switched, double *scratch) {
  const size_t size = 2 * (size_t)ring->size;
  for (; level < depth; level++) {
    const size_t step = (size_t)1 << level;
    if (j + step >= count) continue;
    const int number = shift + level;
    const double *rows[MAX_ROWS];
    rows_of(ring, keys->automorphism[number], keys->gadgets[number].levels, rows);
    split_leaf(ring, leaves + j * size, leaves + (j + step) * size, number, (int)(step << shift), keys->gadgets[number], rows, scratch);
    expand_below(ring, leaves, count, j + step, level + 1, depth, shift, keys, becomes, switched, scratch);
  }
  if (becomes[j] == PAIR) to_pair(ring, leaves + j * size, leaves + j * size, scratch);
  if (becomes[j] == SWITCHED) switch_some(ring, leaves + j * size, 1, keys->gadget, keys->key, switched + j * size, scratch);
}

// The trace tree of one run: leaves, count times 2N doubles. Those from j on, which is below 2^level, are made: leaves j + 2^level i of
// the first `depth` levels. What is at j is what a tree of `level` levels has made; of none, the run's ciphertext, centred.
EXPORT void NAME(expand)(const ring_t *ring, double *leaves, size_t count, size_t j, int level, int depth, int shift, const expansion_t *keys, const int64_t *becomes,
                         double *switched, double *scratch) {
  expand_below(ring, leaves, count, j, level, depth, shift, keys, becomes, switched, scratch);
}

// Linear forms of products and of leaves. Form f adds up products at `term_place` with `term_sign` (entries
// term_first[f] to term_first[f + 1]), leaves `read_source` times polynomials of weights, and `constant`, of `slots`
// coefficients. Weights of the first `ready` reads are there as transforms; those of the others are made of entries,
// coefficient `weight_at` being `weight`. Leaves before `folded` are ciphertexts still, all others pairs.
typedef struct {
  const int64_t *term_first, *term_place;
  const double *term_sign;
  const int64_t *read_first, *read_source, *weight_first, *weight_at;
  const double *weight, *spectra, *constant;
  int64_t ready, folded, slots;
} forms_t;

// What is read of ciphertexts or by weights that are not ready, added to a pair. spare: 5N doubles.
static int read_slowly(const ring_t *ring, const forms_t *forms, int64_t form, const double *leaves, double *sum, double *spare) {
  const int n = ring->size;
  double *pair = spare, *F = spare + 2 * n, *polynomial = F + 2 * n;
  int any = 0;
  for (int64_t r = forms->read_first[form]; r < forms->read_first[form + 1]; r++) {
    const int64_t source = forms->read_source[r];
    if (r < forms->ready && source >= forms->folded) continue;
    if (!any++) memset(sum, 0, sizeof(double) * 2 * n);
    const pair_t *leaf = (const pair_t *)(leaves + (size_t)source * 2 * n);
    if (source < forms->folded) {
      to_pair(ring, (const double *)leaf, pair, F);
      leaf = (const pair_t *)pair;
    }
    const C *weights = (const C *)(forms->spectra + (size_t)r * n);
    if (r >= forms->ready) {
      memset(polynomial, 0, sizeof(double) * n);
      for (int64_t e = forms->weight_first[r]; e < forms->weight_first[r + 1]; e++) polynomial[forms->weight_at[e]] += forms->weight[e];
      transform(ring, polynomial, F, 1.0);
      weights = (const C *)F;
    }
    for (int v = 0; v < n / 2 / W; v++) {
      add_product(&((pair_t *)sum)[v].mask, weights[v], leaf[v].mask);
      add_product(&((pair_t *)sum)[v].body, weights[v], leaf[v].body);
    }
  }
  return any;
}

// The value of one form: a ciphertext, not centred, which digits do not ask for, to `out`. scratch: 9N doubles. Meanwhile, `bytes`
// from each of two `ahead` on are asked for.
static void form_value(const ring_t *ring, const forms_t *forms, int64_t form, const double *leaves, const double *products, double *out, double *scratch,
                       const double *const *ahead, size_t bytes) {
  const int n = ring->size;
  double *sums = scratch, *slow = sums + 2 * n;
  const int any = read_slowly(ring, forms, form, leaves, slow, slow + 2 * n);
  const int64_t *terms = forms->term_first + form, *reads = forms->read_first + form;
  for (int b = 0; b < n / 2 / W / W; b++) {
    pair_t sum[W];
    for (int q = 0; q < W; q++) {
      const size_t at = (size_t)W * b + q;
      pair_t s = {{all(0), all(0)}, {all(0), all(0)}};
      if (any) s = ((const pair_t *)slow)[at];
      for (int64_t t = terms[0]; t < terms[1]; t++) {
        const pair_t *term = (const pair_t *)(products + (size_t)forms->term_place[t] * 2 * n) + at;
        const V sign = all(forms->term_sign[t]);
        s.mask.re += sign * term->mask.re, s.mask.im += sign * term->mask.im;
        s.body.re += sign * term->body.re, s.body.im += sign * term->body.im;
      }
      for (int64_t r = reads[0]; r < reads[1] && r < forms->ready; r++) {
        if (forms->read_source[r] < forms->folded) continue;
        const pair_t *leaf = (const pair_t *)(leaves + (size_t)forms->read_source[r] * 2 * n) + at;
        const C weight = ((const C *)(forms->spectra + (size_t)r * n))[at];
        add_product(&s.mask, weight, leaf->mask);
        add_product(&s.body, weight, leaf->body);
      }
      sum[q] = s;
    }
    put_back(ring, b, sum, sums);
  }
  to_ciphertext(ring, sums, out, ahead, bytes);
  const double *constant = forms->constant + (size_t)form * forms->slots;
  for (int64_t j = 0; j < forms->slots; j++) out[n + j] += constant[j];
}

EXPORT void NAME(forms)(const ring_t *ring, const forms_t *forms, int64_t first, int64_t last, const double *leaves, const double *products, double *out, double *scratch) {
  for (int64_t form = first; form < last; form++, out += 2 * ring->size) {
    form_value(ring, forms, form, leaves, products, out, scratch, (const double *[]){0, 0}, 0);
    centre(out, 2 * (size_t)ring->size);
  }
}

// External products `first` to `last` - 1, each from its form (see above): to products at `place[p]`, as pairs.
// begin[p]: where in `switched` and `rows` the GGSW ciphertext of its bit begins, of gadget->levels pairs each.
EXPORT void NAME(products)(const ring_t *ring, const forms_t *forms, int64_t first, int64_t last, const double *leaves, double *products,
                           const gadget_t *gadget, const double *switched, const double *rows, const int64_t *begin, const int64_t *place, double *scratch) {
  const int n = ring->size, levels = gadget->levels;
  const size_t size = 2 * (size_t)n, bytes = sizeof(double) * size * (size_t)levels;
  double *value = scratch, *F = value + size;
  for (int64_t p = first; p < last; p++) {
    const double *key[MAX_ROWS], *bit[2] = {switched + (size_t)begin[p] * size, rows + (size_t)begin[p] * size};
    double *out = products + (size_t)place[p] * size;
    form_value(ring, forms, p, leaves, products, value, F, bit, bytes);
    rows_of(ring, bit[0], levels, key);
    rows_of(ring, bit[1], levels, key + levels);
    spread(ring, value, *gadget, F, out, sizeof(double) * size);
    const int64_t read = p + 1 < last ? forms->read_first[p + 1] : forms->ready;  // the next product's first
    const double *weights = read < forms->ready ? forms->spectra + (size_t)read * n : 0;
    spread(ring, value + n, *gadget, F + (size_t)levels * n, weights, weights ? sizeof(double) * n : 0);
    times_rows(ring, F, 2 * levels, key, out);
  }
}

// X^-power x - x, for a power of 0 to 2N - 1.
static void difference(const double *x, double *out, int n, int power) {
  const int rest = power % n;
  const double sign = power < n ? 1 : -1;
  for (int j = 0; j < n - rest; j++) out[j] = sign * x[j + rest] - x[j];
  for (int j = n - rest; j < n; j++) out[j] = -sign * x[j + rest - n] - x[j];
}

// tables[k] += bit (X^-power[k] - 1) tables[k] for `count` tables of numbers `chosen`, all ciphertexts, centred.
// mask_rows, body_rows: pointers to pairs of the bit's GGSW ciphertext, by the digits of masks and those of bodies.
EXPORT void NAME(turn)(const ring_t *ring, double *tables, size_t count, const int64_t *chosen, const int64_t *power, const gadget_t *gadgets,
                       const double *const *mask_rows, const double *const *body_rows, double *scratch) {
  const int n = ring->size;
  const gadget_t masks = gadgets[0], bodies = gadgets[1];
  double *turned = scratch, *sums = turned + 2 * n, *F = sums + 2 * n;
  const double *key[MAX_ROWS];
  for (int j = 0; j < masks.levels; j++) key[j] = mask_rows[j];
  for (int j = 0; j < bodies.levels; j++) key[masks.levels + j] = body_rows[j];
  for (size_t k = 0; k < count; k++) {
    double *table = tables + (size_t)chosen[k] * 2 * n;
    for (int part = 0; part < 2; part++) difference(table + (size_t)part * n, turned + (size_t)part * n, n, (int)power[k]);
    centre(turned, 2 * (size_t)n);
    spread(ring, turned, masks, F, 0, 0);
    spread(ring, turned + n, bodies, F + (size_t)masks.levels * n, 0, 0);
    times_rows_back(ring, F, masks.levels + bodies.levels, key, sums);
    to_ciphertext(ring, sums, turned, (const double *[]){0, 0}, 0);
    for (int j = 0; j < 2 * n; j += W) *(V *)(table + j) = centred(*(V *)(table + j) + *(V *)(turned + j));
  }
}

// out += polynomial times the pair, a ciphertext that is not centred.
EXPORT void NAME(add_multiple)(const ring_t *ring, const double *polynomial, const double *pair, double *out, double *scratch) {
  const int n = ring->size;
  double *F = scratch, *masks = F + n, *x = masks + 2 * n;
  transform(ring, polynomial, F, 1.0);
  for (int v = 0; v < n / 2 / W; v++)
    for (int part = 0; part < 2; part++) {
      C sum = {all(0), all(0)};
      add_product(&sum, ((C *)F)[v], part ? ((const pair_t *)pair)[v].body : ((const pair_t *)pair)[v].mask);
      ((C *)(masks + (size_t)part * n))[v] = sum;
    }
  for (int part = 0; part < 2; part++) {
    transform_back(ring, masks + (size_t)part * n, x);
    for (int j = 0; j < n; j += W) *(V *)(out + (size_t)part * n + j) += *(V *)(x + j);
  }
}
#endif
