/** Encoders of levels: (x - lower) / step, clipped to 0 … levels - 1; of it alone, or of it and its parabola. */
import type {
  AffineEncoder as Affine,
  QuadraticEncoder as Quadratic,
} from "../generated/cryptable/v1/client_spec_pb.js";
import { MAX_AFFINE_LEVELS } from "../wire/limits.js";
import { checkMissing, clip, refuse, rint, toNumber, withMissing, type Encoder, type Value } from "./encoder.js";

export function checkStep(name: string, lower: number, step: number): void {
  if (!Number.isFinite(lower) || !Number.isFinite(step) || step <= 0) {
    refuse(name, `lower ${lower} and step ${step} must be finite, and step positive`);
  }
}

export function checkLevels(name: string, levels: number): void {
  if (levels < 2 || levels > MAX_AFFINE_LEVELS) refuse(name, `${levels} levels are not in 2 .. ${MAX_AFFINE_LEVELS}`);
}

abstract class LevelEncoder implements Encoder {
  readonly maximum: number;
  readonly size: number;
  readonly takesMissing: boolean;

  constructor(
    readonly name: string,
    private readonly message: Affine | Quadratic,
    elements: number,
  ) {
    const { lower, step, levels, missing } = message;
    checkStep(name, lower, step);
    checkLevels(name, levels);
    checkMissing(name, missing, elements, levels);
    this.maximum = levels - 1;
    this.size = Math.max(elements, missing.length);
    this.takesMissing = missing.length > 0;
  }

  encode(value: Value): number[] {
    const { lower, step, missing } = this.message;
    const x = toNumber(this.name, value, this.takesMissing);
    return withMissing(x, missing, () => this.elements(clip((x - lower) / step, 0, this.maximum)));
  }

  /** Of a level that is not rounded yet. */
  protected abstract elements(level: number): number[];
}

export class AffineEncoder extends LevelEncoder {
  constructor(name: string, message: Affine) {
    super(name, message, 1);
  }

  protected elements(level: number): number[] {
    return [rint(level)];
  }
}

export class QuadraticEncoder extends LevelEncoder {
  constructor(name: string, message: Quadratic) {
    super(name, message, 2);
  }

  protected elements(level: number): number[] {
    return [rint(level), rint((4 * level * (this.maximum - level)) / this.maximum)];
  }
}
