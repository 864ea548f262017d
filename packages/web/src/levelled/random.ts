/** Seeds, ternary polynomials and rounded Gaussians, from the operating system's generator. */
import { GRID_BITS, N, type Polynomial } from "./ring.js";

const MOST_AT_ONCE = 65536; // bytes that getRandomValues gives
const TAIL = 9.5; // standard deviations: beyond is less than 2^-64

/** σ of fresh noise in steps of 2^-52: the 128-bit curve at N. */
export const DEVIATION = 2 ** (2.675931372549016 - 0.025696778711484593 * N + GRID_BITS);

export function randomBytes(size: number): Uint8Array<ArrayBuffer> {
  const out = new Uint8Array(size);
  for (let at = 0; at < size; at += MOST_AT_ONCE) {
    crypto.getRandomValues(out.subarray(at, Math.min(size, at + MOST_AT_ONCE)));
  }
  return out;
}

/** Coefficients −1, 0, 1, each with probability 1/3. */
export function ternary(): Polynomial {
  const out = new Float64Array(N);
  for (let filled = 0; filled < N;) {
    const bytes = randomBytes(N - filled + 32);
    for (const byte of bytes) {
      if (byte < 255 && filled < N) out[filled++] = (byte % 3) - 1; // 255 = 3 · 85: no bias
    }
    bytes.fill(0);
  }
  return out;
}

/** P(|x| ≥ k) for k = 1, 2, …, x a rounded Gaussian of deviation σ, as 62 bits in two halves. */
export const [TABLE_HIGH, TABLE_LOW] = table();

function table(): [Int32Array, Int32Array] {
  const largest = Math.ceil(TAIL * DEVIATION);
  const weights = Array.from({ length: largest + 1 }, (_, x) => (x ? 2 : 1) * mass(x));
  const total = weights.reduce((sum, weight) => sum + weight, 0);
  const high = new Int32Array(largest);
  const low = new Int32Array(largest);
  let survivors = 0;
  for (let x = largest; x >= 1; x--) {
    survivors += weights[x]! / total; // from the far end, where terms are smallest
    high[x - 1] = Math.floor(survivors * 2 ** 31);
    low[x - 1] = Math.floor((survivors * 2 ** 31 - high[x - 1]!) * 2 ** 31);
  }
  return [high, low];
}

/** P(x − 1/2 < g < x + 1/2), up to a constant, by Simpson's rule on 64 pieces. */
function mass(x: number): number {
  let sum = 0;
  for (let i = 0; i <= 64; i++) {
    const t = (x - 0.5 + i / 64) / DEVIATION;
    sum += (i === 0 || i === 64 ? 1 : i % 2 ? 4 : 2) * Math.exp((-t * t) / 2);
  }
  return sum;
}

/** N integers, round(g · 2^52): all thresholds are compared, whatever the outcome, and none of it by a branch. */
export function gaussian(): Polynomial {
  const words = new Int32Array(randomBytes(8 * N).buffer);
  const out = new Float64Array(N);
  for (let j = 0; j < N; j++) {
    const first = words[2 * j]!;
    const high = first & 0x7fffffff;
    const low = words[2 * j + 1]! & 0x7fffffff;
    let x = 0;
    for (let i = 0; i < TABLE_HIGH.length; i++) {
      // 1 where (high, low) is below the threshold: the sign of a difference.
      const dh = (high - TABLE_HIGH[i]!) | 0;
      const dl = (low - TABLE_LOW[i]!) | 0;
      x += (dh >>> 31) | ((((dh | -dh) >>> 31) ^ 1) & (dl >>> 31));
    }
    const sign = first >> 31;
    out[j] = (x ^ sign) - sign;
  }
  words.fill(0);
  return out;
}
