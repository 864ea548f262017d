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

// x(X^turn), turn = N / 2^number + 1: coefficient t comes from t / turn. That is t and a number which depends on t modulo
// 2^(number + 1) alone, so that each class of those t is a stride of x from somewhere, which turns its sign at its end.
static void automorphism(const double *x, double *out, int n, int number) {
  const uint32_t period = (uint32_t)2 << number, turn = (uint32_t)(n >> number) + 1, last = 2 * (uint32_t)n - 1;
  uint32_t inverse = turn;
  for (int j = 0; j < 5; j++) inverse *= 2 - turn * inverse;
  for (uint32_t first = 0; first < period && first < (uint32_t)n; first++)
    for (uint32_t t = first; t < (uint32_t)n;) {
      uint32_t from = t * inverse & last;
      const double sign = from < (uint32_t)n ? 1 : -1;
      for (from &= last >> 1; t < (uint32_t)n && from < (uint32_t)n; t += period, from += period) out[t] = sign * x[from];
    }
}

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

// even, odd = even + t(even), (even - t(even)) X^-power, t being the automorphism X -> X^(N / 2^number + 1).
static void split_leaf(const ring_t *ring, double *even, double *odd, int number, int power, gadget_t gadget, const double *const *key, double *scratch) {
  const int n = ring->size;
  double *turned = scratch, *body = turned + n, *switched = body + n, *sums = switched + 2 * n, *F = sums + 2 * n;
  automorphism(even, turned, n, number);
  automorphism(even + n, body, n, number);
  spread(ring, turned, gadget, F);
  times_rows_back(ring, F, gadget.levels, key, sums, switched, switched + n);
  // t(even) under the key is (0, t(body)) - switched.
  for (int part = 0; part < 2; part++) {
    double *e = even + (size_t)part * n, *o = odd + (size_t)part * n, *s = switched + (size_t)part * n;
    for (int j = 0; j < n; j += W) {
      V image = (part ? *(V *)(body + j) : all(0)) - *(V *)(s + j), before = *(V *)(e + j);
      *(V *)(e + j) = centred(before + image);
      put_turned(o, n, power, j, centred(before - image));
    }
  }
}

// The trace tree of one run: leaves, count times 2N doubles, of which the first is the run's ciphertext, centred.
// key[k]: rows of the automorphism X -> X^(N / 2^k + 1), as pairs one after the other, by gadgets[k].
EXPORT void NAME(expand)(const ring_t *ring, double *leaves, size_t count, int depth, int shift, const gadget_t *gadgets, const double *const *key, double *scratch) {
  const size_t size = 2 * (size_t)ring->size;
  for (int level = 0; level < depth; level++) {
    const size_t step = (size_t)1 << level, rest = count > step ? count - step : 0, splitting = rest < step ? rest : step;
    const int number = shift + level;
    const double *rows[MAX_ROWS];
    for (int j = 0; j < gadgets[number].levels; j++) rows[j] = key[number] + j * size;
    for (size_t j = 0; j < splitting; j++)
      split_leaf(ring, leaves + j * size, leaves + (j + step) * size, number, (int)(step << shift), gadgets[number], rows, scratch);
  }
}

// Ciphertexts of m to pairs, in place, and the pairs of -s m, to `switched`.
EXPORT void NAME(switch_leaves)(const ring_t *ring, double *leaves, size_t count, const gadget_t *gadget, const double *key, double *switched, double *scratch) {
  const int n = ring->size;
  const double *rows[MAX_ROWS];
  for (int j = 0; j < gadget->levels; j++) rows[j] = key + (size_t)j * 2 * n;
  for (size_t j = 0; j < count; j++) {
    double *leaf = leaves + j * 2 * n;
    pair_t *to = (pair_t *)(switched + j * 2 * n);
    spread(ring, leaf, *gadget, scratch);
    times_rows(ring, scratch, gadget->levels, rows, (double *)to);
    to_pair(ring, leaf, leaf, scratch);
    for (int v = 0; v < n / 2 / W; v++) {
      C body = ((pair_t *)leaf)[v].body;
      to[v].mask.re += body.re, to[v].mask.im += body.im;
    }
  }
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

// The value of one form: a ciphertext, centred, to `out`. scratch: 9N doubles.
static void form_value(const ring_t *ring, const forms_t *forms, int64_t form, const double *leaves, const double *products, double *out, double *scratch) {
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
  end_transform_back(ring, sums, out);
  end_transform_back(ring, sums + n, out + n);
  const double *constant = forms->constant + (size_t)form * forms->slots;
  for (int64_t j = 0; j < forms->slots; j++) out[n + j] += constant[j];
  centre(out, 2 * (size_t)n);
}

EXPORT void NAME(forms)(const ring_t *ring, const forms_t *forms, int64_t first, int64_t last, const double *leaves, const double *products, double *out, double *scratch) {
  for (int64_t form = first; form < last; form++)
    form_value(ring, forms, form, leaves, products, out + (size_t)(form - first) * 2 * ring->size, scratch);
}

// External products `first` to `last` - 1, each from its form (see above): to products at `place[p]`, as pairs.
// begin[p]: where in `switched` and `rows` the GGSW ciphertext of its bit begins, of gadget->levels pairs each.
EXPORT void NAME(products)(const ring_t *ring, const forms_t *forms, int64_t first, int64_t last, const double *leaves, double *products,
                           const gadget_t *gadget, const double *switched, const double *rows, const int64_t *begin, const int64_t *place, double *scratch) {
  const int n = ring->size, levels = gadget->levels;
  double *value = scratch, *F = value + 2 * n;
  for (int64_t p = first; p < last; p++) {
    form_value(ring, forms, p, leaves, products, value, F);
    const double *key[MAX_ROWS];
    for (int j = 0; j < levels; j++) {
      key[j] = switched + (size_t)(begin[p] + j) * 2 * n;
      key[levels + j] = rows + (size_t)(begin[p] + j) * 2 * n;
    }
    spread(ring, value, *gadget, F);
    spread(ring, value + n, *gadget, F + (size_t)levels * n);
    times_rows(ring, F, 2 * levels, key, products + (size_t)place[p] * 2 * n);
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
    spread(ring, turned, masks, F);
    spread(ring, turned + n, bodies, F + (size_t)masks.levels * n);
    times_rows_back(ring, F, masks.levels + bodies.levels, key, sums, turned, turned + n);
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
