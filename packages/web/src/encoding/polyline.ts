/** One element: a curve of x, straight from knot to knot, constant beyond the outer ones, rounded to an integer. */
import type { PolylineEncoder as Message } from "../generated/cryptable/v1/client_spec_pb.js";
import { MAX_KNOTS } from "../wire/limits.js";
import {
  checkMissing,
  clip,
  refuse,
  rint,
  strictlyIncreasing,
  toNumber,
  withMissing,
  type Encoder,
  type Value,
} from "./encoder.js";
import { checkLevels } from "./levels.js";

export class PolylineEncoder implements Encoder {
  readonly maximum: number;
  readonly size: number;
  readonly takesMissing: boolean;

  constructor(
    readonly name: string,
    private readonly message: Message,
  ) {
    const { knots, levelsAt, levels, missing } = message;
    checkLevels(name, levels);
    if (knots.length < 2 || knots.length > MAX_KNOTS || knots.length !== levelsAt.length) {
      refuse(
        name,
        `${knots.length} knots with ${levelsAt.length} levels, expected 2 to ${MAX_KNOTS}, one level a knot`,
      );
    }
    if (!knots.every(Number.isFinite) || !strictlyIncreasing(knots) || !Number.isFinite(knots.at(-1)! - knots[0]!)) {
      refuse(name, "knots must be finite and strictly increasing");
    }
    if (!levelsAt.every((level) => level >= 0 && level <= levels - 1)) {
      refuse(name, `levels at knots must be in 0 .. ${levels - 1}`);
    }
    checkMissing(name, missing, 1, levels);
    this.maximum = levels - 1;
    this.size = Math.max(1, missing.length);
    this.takesMissing = missing.length > 0;
  }

  encode(value: Value): number[] {
    const x = toNumber(this.name, value, this.takesMissing);
    return withMissing(x, this.message.missing, () => [this.#level(x)]);
  }

  #level(value: number): number {
    const { knots, levelsAt } = this.message;
    const x = clip(value, knots[0]!, knots.at(-1)!);
    const i = knots.slice(1, -1).filter((knot) => knot <= x).length;
    const [low, high] = [levelsAt[i]!, levelsAt[i + 1]!];
    const [from, to] = [knots[i]!, knots[i + 1]!];
    return clip(rint(low + (high - low) * ((x - from) / (to - from))), 0, this.maximum);
  }
}
