/** Several curves of one number, an element each: for models that read a feature in several ways. */
import { MAX_CURVES } from "../wire/limits.js";
import { refuse, type Encoder, type Value } from "./encoder.js";
import type { PolylineEncoder } from "./polyline.js";

export class CurvesEncoder implements Encoder {
  readonly maximum: number;
  readonly size: number;
  readonly takesMissing = false;

  constructor(
    readonly name: string,
    private readonly curves: readonly PolylineEncoder[],
  ) {
    if (curves.length < 2 || curves.length > MAX_CURVES) {
      refuse(name, `an encoder of ${curves.length} curves, expected 2 .. ${MAX_CURVES}`);
    }
    if (curves.some((curve) => curve.takesMissing)) refuse(name, "a curve of its encoder says what a missing value is");
    this.maximum = Math.max(...curves.map((curve) => curve.maximum));
    this.size = curves.length;
  }

  encode(value: Value): number[] {
    return this.curves.flatMap((curve) => curve.encode(value));
  }
}
