/** Bits alone: what several encoders make of a column, one after the other, numbers as their binary digits. */
import { binary } from "./binary.js";
import { CategoricalEncoder } from "./categorical.js";
import { refuse, type Encoder, type Value } from "./encoder.js";

const MOST_PARTS = 4;

export class BitsEncoder implements Encoder {
  readonly maximum = 1;
  readonly size: number;
  readonly takesMissing: boolean;

  constructor(
    readonly name: string,
    private readonly parts: readonly Encoder[],
  ) {
    if (!parts.length || parts.length > MOST_PARTS) {
      refuse(name, `an encoder of ${parts.length} parts, expected 1 .. ${MOST_PARTS}`);
    }
    if (parts.some((part) => !part.size)) refuse(name, "a part of its encoder has no elements");
    if (new Set(parts.map((part) => part instanceof CategoricalEncoder)).size > 1) {
      refuse(name, "one part of its encoder takes categories, another not");
    }
    this.size = parts.reduce((total, part) => total + part.size * digitsOf(part), 0);
    this.takesMissing = parts.every((part) => part.takesMissing);
  }

  encode(value: Value): number[] {
    return this.parts.flatMap((part) => part.encode(value).flatMap((element) => binary(element, digitsOf(part))));
  }
}

function digitsOf(part: Encoder): number {
  return 32 - Math.clz32(part.maximum);
}
