/** What every encoder is: it makes a feature's value the few integers that are encrypted (protos/SPEC.md, "Encoders"). */
import { InvalidInputError, MalformedMessageError } from "../errors.js";

/** A feature's value as callers have it. null, undefined and NaN are missing values. */
export type Value = number | bigint | string | boolean | null | undefined;

export interface Encoder {
  readonly name: string;
  /** Elements that this feature contributes to the row. */
  readonly size: number;
  /** Largest value of an element. */
  readonly maximum: number;
  /** Whether a row may have a missing value here. */
  readonly takesMissing: boolean;
  /** The elements of a value; throws InvalidInputError where the encoder does not take it. */
  encode(value: Value): number[];
}

const NUMERIC = ["number", "bigint", "boolean", "undefined"];

export function refuse(name: string, message: string): never {
  throw new MalformedMessageError(`feature ${quoted(name)}: ${message}`);
}

/** A text of the server's or the caller's for a message: cut, and without control characters. */
export function quoted(value: unknown): string {
  const text = typeof value === "string" ? JSON.stringify(value) : printed(value);
  return text.length <= 40 ? text : `${text.slice(0, 37)}...`;
}

function printed(value: unknown): string {
  try {
    return String(value);
  } catch {
    return `a ${typeof value} without a text`; // as Object.create(null)
  }
}

/** A value of a column of numbers, NaN where it is missing. */
export function toNumber(name: string, value: Value, takesMissing: boolean): number {
  if (value !== null && !NUMERIC.includes(typeof value)) {
    throw new InvalidInputError(`feature ${quoted(name)} is ${quoted(value)}, and must be a number`);
  }
  const x = value === null || value === undefined ? NaN : Number(value);
  if (Math.abs(x) === Infinity || (Number.isNaN(x) && !takesMissing)) {
    throw new InvalidInputError(
      `feature ${quoted(name)} is ${x}, and this model needs a finite number there`,
      takesMissing ? "leave a missing value as null" : "impute it, or leave such rows out",
    );
  }
  return x;
}

export function clip(x: number, low: number, high: number): number {
  return Math.min(Math.max(x, low), high);
}

/** To the nearest integer, ties to even. */
export function rint(x: number): number {
  const floor = Math.floor(x);
  const above = x - floor;
  if (above !== 0.5) return above < 0.5 ? floor : floor + 1;
  return floor % 2 === 0 ? floor : floor + 1;
}

export function strictlyIncreasing(numbers: readonly number[]): boolean {
  return numbers.every((x, i) => i === 0 || numbers[i - 1]! < x);
}

/** Refuse elements of a missing value of another number, or out of range. */
export function checkMissing(name: string, missing: readonly number[], elements: number, levels: number): void {
  if (![0, elements, elements + 1].includes(missing.length)) {
    refuse(name, `${missing.length} elements of a missing value, expected none, ${elements} or ${elements + 1}`);
  }
  if (!missing.every((each) => each < levels)) {
    refuse(name, `elements of a missing value must be in 0 .. ${levels - 1}`);
  }
}

/** The elements of a number, or of a missing value; of one more than a number has, the last is 0 for every number. */
export function withMissing(x: number, missing: readonly number[], elements: () => number[]): number[] {
  if (Number.isNaN(x)) return [...missing];
  const made = elements();
  return missing.length > made.length ? [...made, 0] : made;
}
