/** Element j is 1 where x >= edges[j]. */
import { ThermometerEncoder_Missing as Missing } from "../generated/cryptable/v1/client_spec_pb.js";
import type { ThermometerEncoder as Message } from "../generated/cryptable/v1/client_spec_pb.js";
import { refuse, strictlyIncreasing, toNumber, type Encoder, type Value } from "./encoder.js";

export class ThermometerEncoder implements Encoder {
  readonly maximum = 1;
  readonly size: number;
  readonly takesMissing: boolean;

  constructor(
    readonly name: string,
    private readonly message: Message,
  ) {
    const { edges, missing } = message;
    if (!(missing in Missing)) refuse(name, `missing values are encoded in way ${missing}, which is unknown`);
    this.size = edges.length + (missing === Missing.OWN_ELEMENT ? 1 : 0);
    this.takesMissing = missing !== Missing.REFUSED;
    if (!edges.every(Number.isFinite) || !strictlyIncreasing(edges) || !this.size) {
      refuse(name, "edges must be finite, strictly increasing, and at least one");
    }
  }

  encode(value: Value): number[] {
    const { edges, asFloat32, missing } = this.message;
    let x = toNumber(this.name, value, this.takesMissing);
    const own = missing === Missing.OWN_ELEMENT;
    if (Number.isNaN(x)) {
      const element = missing === Missing.LOWEST ? 0 : 1;
      return Array.from({ length: this.size }, () => element);
    }
    if (asFloat32) x = Math.fround(x);
    const elements = edges.map((edge) => (x >= edge ? 1 : 0));
    return own ? [...elements, 0] : elements;
  }
}
