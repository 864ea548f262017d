/** The binary digits of a number's level, lowest first, and where `squared` those of the level's square after them. */
import type { DigitsEncoder as Message } from "../generated/cryptable/v1/client_spec_pb.js";
import { MAX_AFFINE_LEVELS } from "../wire/limits.js";
import { binary } from "./binary.js";
import { clip, refuse, rint, toNumber, type Encoder, type Value } from "./encoder.js";
import { checkStep } from "./levels.js";

const MOST_DIGITS = 31 - Math.clz32(MAX_AFFINE_LEVELS);

export class DigitsEncoder implements Encoder {
  readonly maximum = 1;
  readonly takesMissing = false;
  readonly size: number;

  constructor(
    readonly name: string,
    private readonly message: Message,
  ) {
    const { lower, step, digits, squared } = message;
    checkStep(name, lower, step);
    if (digits < 1 || digits > MOST_DIGITS) refuse(name, `${digits} binary digits, expected 1 .. ${MOST_DIGITS}`);
    this.size = squared ? 3 * digits : digits;
  }

  encode(value: Value): number[] {
    const { lower, step, digits, squared } = this.message;
    const x = toNumber(this.name, value, false);
    const level = clip(rint((x - lower) / step), 0, 2 ** digits - 1);
    const bits = binary(level, digits);
    return squared ? [...bits, ...binary(level * level, 2 * digits)] : bits; // below 2^48: exact
  }
}
