/** The secret: a ternary polynomial that passes the test of protos/SPEC-LEVELLED.md, "Secret key". */
import { InternalError, InvalidInputError, MalformedMessageError } from "../errors.js";
import { ternary } from "./random.js";
import { N, product, transform, type Polynomial, type Spectrum } from "./ring.js";

/** 79 % pass: the generator is broken where none of so many does (2^-144). */
const MOST_TRIES = 64;
const MEAN_NORM = (2 * N) / 3;
const MEAN_SQUARE_NORM = (8 * N * N) / 9;

/** What is inside, for the modules of this package. */
export let reveal: (key: SecretKey) => { coefficients: Polynomial; spectrum: Spectrum };
let make: (coefficients: Polynomial) => SecretKey;

/** An opaque handle: it prints and serializes as nothing, and only this package's own modules look inside. */
export class SecretKey {
  readonly #coefficients: Polynomial;
  readonly #spectrum: Spectrum;
  #erased = false;

  private constructor(coefficients: Polynomial) {
    this.#coefficients = coefficients;
    this.#spectrum = transform(coefficients);
  }

  /** A new secret from the system's randomness. */
  static generate(): SecretKey {
    for (let tries = 0; tries < MOST_TRIES; tries++) {
      const coefficients = ternary();
      if (isGood(coefficients)) return new SecretKey(coefficients);
      coefficients.fill(0);
    }
    throw new InternalError(`none of ${MOST_TRIES} secrets passes the test: the generator of random numbers is broken`);
  }

  /** Overwrite it in memory: it can no longer be used. */
  erase(): void {
    this.#erased = true;
    this.#coefficients.fill(0);
    this.#spectrum.fill(0);
  }

  toJSON(): never {
    throw new TypeError("a secret key cannot be serialized");
  }

  static {
    reveal = (key) => {
      if (key.#erased) throw new InvalidInputError("these keys were forgotten", "connect again, which makes new ones");
      return { coefficients: key.#coefficients, spectrum: key.#spectrum };
    };
    make = (coefficients) => new SecretKey(coefficients);
  }
}

/** For key stores, which seal them: a byte a coefficient. The caller overwrites them. */
export function secretToBytes(key: SecretKey): Uint8Array<ArrayBuffer> {
  return Uint8Array.from(reveal(key).coefficients, (coefficient) => coefficient + 1);
}

/** The inverse; MalformedMessageError on all bytes that `secretToBytes` does not give. */
export function secretFromBytes(data: Uint8Array): SecretKey {
  if (data.length !== N || data.some((byte) => byte > 2)) {
    throw new MalformedMessageError("bytes of keys that are no ternary polynomial");
  }
  const coefficients = Float64Array.from(data, (byte) => byte - 1);
  if (!isGood(coefficients)) {
    coefficients.fill(0);
    throw new MalformedMessageError("a secret that does not pass the scheme's test");
  }
  return make(coefficients);
}

/** Whether its norm, its square's norm and its greatest value on the unit circle are near their means. */
export function isGood(coefficients: Polynomial): boolean {
  const spectrum = transform(coefficients);
  let largest = 0;
  for (let k = 0; k < N / 2; k++) largest = Math.max(largest, spectrum[k]! ** 2 + spectrum[k + N / 2]! ** 2);
  const square = product(spectrum, spectrum);
  const isGood =
    norm(coefficients) <= 1.02 * MEAN_NORM && norm(square) <= 1.05 * MEAN_SQUARE_NORM && largest <= 10 * MEAN_NORM;
  spectrum.fill(0);
  square.fill(0);
  return isGood;
}

function norm(polynomial: Polynomial): number {
  return polynomial.reduce((sum, coefficient) => sum + coefficient * coefficient, 0);
}
