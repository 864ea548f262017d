/**
 * The ring of the scheme levelled: polynomials modulo X^2048 + 1, and exact products with a ternary one.
 *
 * Torus elements are integers in 0 … 2^52 - 1, held by doubles. A product is computed by a complex transform of 1024 points:
 * coefficient k is the real part of point k, coefficient k + 1024 its imaginary part, twisted by a 4096th root of unity.
 * The forward transform leaves its points in bit-reversed order and the inverse one takes them so: products do not mind.
 */
export const N = 2048;
export const GRID_BITS = 52;
export const GRID = 2 ** GRID_BITS;
const M = N / 2;
const HALF = 2 ** 26;

/** A polynomial's values at half of the odd powers of a root of unity: real parts, then imaginary ones. */
export type Spectrum = Float64Array<ArrayBuffer>;
/** Coefficients, constant term first. */
export type Polynomial = Float64Array<ArrayBuffer>;

// Roots for every stage, one after the other, so that each stage reads them in order.
const cosines = new Float64Array(M);
const sines = new Float64Array(M);
for (let half = 1; half < M; half *= 2) {
  for (let k = 0; k < half; k++) {
    cosines[half + k] = Math.cos((Math.PI * k) / half);
    sines[half + k] = -Math.sin((Math.PI * k) / half);
  }
}
const twistCosines = Float64Array.from({ length: M }, (_, k) => Math.cos((Math.PI * k) / N));
const twistSines = Float64Array.from({ length: M }, (_, k) => Math.sin((Math.PI * k) / N));

/** The remainder in 0 … modulus - 1, without a branch; exact for integers below 2^53 and powers of two. */
export function modulo(x: number, modulus: number): number {
  return x - Math.floor(x / modulus) * modulus;
}

export function transform(x: Polynomial): Spectrum {
  const out = new Float64Array(N);
  const re = out.subarray(0, M);
  const im = out.subarray(M);
  for (let k = 0; k < M; k++) {
    const a = x[k]!;
    const b = x[k + M]!;
    re[k] = a * twistCosines[k]! - b * twistSines[k]!;
    im[k] = a * twistSines[k]! + b * twistCosines[k]!;
  }
  for (let half = M / 2; half >= 1; half /= 2) {
    for (let start = 0; start < M; start += 2 * half) {
      for (let k = 0, i = start, j = start + half; k < half; k++, i++, j++) {
        const c = cosines[half + k]!;
        const s = sines[half + k]!;
        const dr = re[i]! - re[j]!;
        const di = im[i]! - im[j]!;
        re[i]! += re[j]!;
        im[i]! += im[j]!;
        re[j] = dr * c - di * s;
        im[j] = dr * s + di * c;
      }
    }
  }
  return out;
}

/** The product of two transformed polynomials, rounded to integers. */
export function product(x: Spectrum, y: Spectrum): Polynomial {
  const out = new Float64Array(N);
  const re = new Float64Array(M);
  const im = new Float64Array(M);
  for (let k = 0; k < M; k++) {
    re[k] = x[k]! * y[k]! - x[k + M]! * y[k + M]!;
    im[k] = x[k]! * y[k + M]! + x[k + M]! * y[k]!;
  }
  for (let half = 1; half < M; half *= 2) {
    for (let start = 0; start < M; start += 2 * half) {
      for (let k = 0, i = start, j = start + half; k < half; k++, i++, j++) {
        const c = cosines[half + k]!;
        const s = sines[half + k]!;
        const tr = re[j]! * c + im[j]! * s;
        const ti = im[j]! * c - re[j]! * s;
        re[j] = re[i]! - tr;
        im[j] = im[i]! - ti;
        re[i]! += tr;
        im[i]! += ti;
      }
    }
  }
  for (let k = 0; k < M; k++) {
    const a = re[k]! / M;
    const b = im[k]! / M;
    out[k] = Math.round(a * twistCosines[k]! + b * twistSines[k]!);
    out[k + M] = Math.round(b * twistCosines[k]! - a * twistSines[k]!);
  }
  re.fill(0); // a factor is mostly the secret
  im.fill(0);
  return out;
}

/**
 * a · s modulo 2^52 for torus elements a and a ternary s, given by its transform: exact.
 *
 * a is cut into signed halves of 26 bits. Coefficients of a half times s are at most 2^36 in magnitude, and errors of double
 * transforms are below 2^-10 there, so rounding finds them: a rounding that depended on s would be noise that tells of s.
 */
export function torusTimes(a: Polynomial, s: Spectrum): Polynomial {
  const high = new Float64Array(N);
  const low = new Float64Array(N);
  for (let j = 0; j < N; j++) {
    const upper = Math.round(a[j]! / HALF);
    low[j] = a[j]! - upper * HALF;
    high[j] = modulo(upper + HALF / 2, HALF) - HALF / 2; // 2^52 is 0
  }
  const upper = product(transform(high), s);
  const lower = product(transform(low), s);
  for (let j = 0; j < N; j++) upper[j] = modulo(modulo(upper[j]!, HALF) * HALF + lower[j]!, GRID);
  lower.fill(0);
  return upper;
}

/** The polynomial in X^exponent, for an odd exponent. */
export function automorphism(x: Polynomial, exponent: number): Polynomial {
  const out = new Float64Array(N);
  for (let j = 0; j < N; j++) {
    const target = (j * exponent) % (2 * N);
    out[target % N] = target < N ? x[j]! : -x[j]!;
  }
  return out;
}
