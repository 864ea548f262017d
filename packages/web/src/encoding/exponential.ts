/** e^x as one sequence of operations on doubles: every language has the same bits of it (protos/SPEC.md, "Decoder"). */
import { clip, rint } from "./encoder.js";

const LOWEST = -746;
const HIGHEST = 710; // beyond, doubles have 0 and infinity
const LOG2_E = 1.4426950408889634;
const LN2_HIGH = 3048493539143 / 2 ** 42; // its product with an integer of eleven bits is exact
const LN2_LOW = 5.497923018708371e-14; // what is left of ln 2
/** Of r^12, r^11, …, 1 in (e^r - 1 - r) / r^2. */
const COEFFICIENTS = Array.from({ length: 13 }, (_, i) => 1 / factorial(14 - i));

/** e to the power of x, less than one unit in the last place from the real number; subnormal, two. */
export function exponential(x: number): number {
  const clipped = clip(x, LOWEST, HIGHEST);
  const k = rint(clipped * LOG2_E);
  const high = clipped - k * LN2_HIGH;
  const low = k * LN2_LOW;
  const r = high - low;
  const lost = high - r - low;
  const series = COEFFICIENTS.reduce((sum, coefficient) => sum * r + coefficient);
  const power = 1 + (r + (r * r * series + lost));
  const half = Math.floor(k * 0.5); // 2^k itself may be no double
  return power * 2 ** half * 2 ** (k - half);
}

function factorial(n: number): number {
  return n > 1 ? n * factorial(n - 1) : 1;
}
