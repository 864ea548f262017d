/** What the parameters of models of bits and of integers share: residues, words and slots (protos/SPEC-LEVELLED.md). */
import { MalformedMessageError } from "../errors.js";
import { strictlyIncreasing } from "../encoding/encoder.js";
import type { Keyset } from "./keyset.js";
import { GRID, N, type Polynomial } from "./ring.js";

export const MAX_SLOTS = 128;
export const SECRET_NORM = (1.02 * 2 * N) / 3; // greatest ‖s‖² of a secret that clients use

/** What rows are encrypted and answers read by. */
export interface Parameters {
  readonly keyset: Keyset;
  readonly inputs: number;
  /** Highest value of an input. */
  readonly highest: number;
  /** Output o is the (o mod outputsPerPart)th of ciphertext ⌊o / outputsPerPart⌋ of an answer. */
  readonly outputs: number;
  readonly outputsPerPart: number;
  readonly moduli: readonly number[];
  /** Of any output. */
  readonly maximum: number;
  readonly answerWordBits: number;
  /** Coefficient of each slot: output o of a part modulo moduli[r] is slot r · outputsPerPart + o. */
  readonly slotPlaces: readonly number[];
  readonly rowBytes: number;
  readonly answerBytes: number;
  /** Polynomials that a row encrypts, and the bits of their words. */
  messages(values: ArrayLike<number>): [Polynomial, number][];
  /** What decides over a user's keys and the meaning of an answer. */
  pinnedFacts(): Record<string, unknown>;
}

export function require(condition: boolean, message: string): void {
  if (!condition) throw new MalformedMessageError(`levelled parameters: ${message}`);
}

/** Whether moduli tell outputs up to `maximum` apart. */
export function checkResidues(moduli: readonly number[], maximum: bigint): void {
  require(strictlyIncreasing(moduli), `moduli ${moduli.join(", ")} do not strictly increase`);
  require(moduli.every((one, i) =>
    moduli.slice(0, i).every((other) => greatestCommonDivisor(one, other) === 1),
  ), `moduli ${moduli.join(", ")} share a factor`);
  require(maximum < productOf(moduli) && maximum < GRID, `outputs up to ${maximum}, more than the moduli tell apart`);
}

/** Whether so many slots in words of so many bits leave enough unknown of a mask to stay on the 128-bit curve. */
export function checkSlots(slots: number, bits: number): void {
  const leastDimension = (bits + Math.log2(12) / 2 + 2.675931372549016) / 0.025696778711484593;
  const most = Math.min(MAX_SLOTS, Math.floor(((N - leastDimension) * Math.log2(3)) / bits));
  require(slots >= 1 &&
    slots <=
      most, `${slots} slots in words of ${bits} bits, at most ${most}: more would tell too much of what hides them`);
}

/** The t for which slots · 2 · exp(−t²/2), the sub-Gaussian tail, is half of pError. */
export function deviationsNeeded(slots: number, pError: number): number {
  return Math.sqrt(2 * Math.LN2 * (2 + Math.log2(slots) - Math.log2(pError)));
}

/** Variance that the rounding of an answer's words adds to a slot's phase, at most. */
export function wordRounding(bits: number): number {
  return ((1 + SECRET_NORM) / 12) * 4 ** -bits;
}

export function productOf(moduli: readonly number[]): bigint {
  return moduli.reduce((product, modulus) => product * BigInt(modulus), 1n);
}

function greatestCommonDivisor(a: number, b: number): number {
  return b ? greatestCommonDivisor(b, a % b) : a;
}
