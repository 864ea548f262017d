/** The encoders of a model, and rows as callers have them: values in order, or an object of them by name. */
import type { FeatureEncoder } from "../generated/cryptable/v1/client_spec_pb.js";
import { InvalidInputError } from "../errors.js";
import { checkName } from "../wire/names.js";
import { BitsEncoder } from "./bits.js";
import { CategoricalEncoder } from "./categorical.js";
import { CurvesEncoder } from "./curves.js";
import { DigitsEncoder } from "./digits.js";
import { quoted, refuse, type Encoder, type Value } from "./encoder.js";
import { AffineEncoder, QuadraticEncoder } from "./levels.js";
import { PolylineEncoder } from "./polyline.js";
import { ThermometerEncoder } from "./thermometer.js";

type Numbers =
  | Float64Array
  | Float32Array
  | Int32Array
  | Uint32Array
  | Int16Array
  | Uint16Array
  | Int8Array
  | Uint8Array
  | Uint8ClampedArray
  | BigInt64Array
  | BigUint64Array;

/** Values in the order of the model's features, or by their names. */
export type Row = readonly Value[] | Numbers | Readonly<Record<string, Value>>;

/** A column that the model does not read: nothing is sent for it, whatever it holds. */
export class UnusedFeature implements Encoder {
  readonly size = 0;
  readonly maximum = 0;
  readonly takesMissing = true;

  constructor(readonly name: string) {}

  encode(): number[] {
    return [];
  }
}

/** The encoder that a message describes; throws MalformedMessageError where a field is missing or out of range. */
export function encoderOf({ name, kind }: FeatureEncoder): Encoder {
  checkName(name, "feature");
  switch (kind.case) {
    case "thermometer":
      return new ThermometerEncoder(name, kind.value);
    case "affine":
      return new AffineEncoder(name, kind.value);
    case "quadratic":
      return new QuadraticEncoder(name, kind.value);
    case "polyline":
      return new PolylineEncoder(name, kind.value);
    case "categorical":
      return new CategoricalEncoder(name, kind.value);
    case "digits":
      return new DigitsEncoder(name, kind.value);
    case "bits":
      return new BitsEncoder(
        name,
        kind.value.parts.map((part) => partOf(name, part)),
      );
    case "curves":
      return new CurvesEncoder(
        name,
        kind.value.curves.map((curve) => new PolylineEncoder(name, curve)),
      );
    case "unused":
      return new UnusedFeature(name);
    default:
      return refuse(name, "no encoder");
  }
}

function partOf(name: string, part: FeatureEncoder): Encoder {
  if (part.name || part.kind.case === "bits") refuse(name, "a part of its encoder has a name, or parts itself");
  return encoderOf({ ...part, name });
}

/** The elements of a row, feature after feature; throws InvalidInputError where the row does not fit the model. */
export function encodeRow(encoders: readonly Encoder[], row: Row): number[] {
  const values = inOrder(encoders, row);
  return encoders.flatMap((encoder, i) => encoder.encode(values[i]));
}

function inOrder(encoders: readonly Encoder[], row: Row): ArrayLike<Value> {
  if (Array.isArray(row) || (ArrayBuffer.isView(row) && !(row instanceof DataView))) {
    const values = row as unknown as ArrayLike<Value>;
    if (values.length !== encoders.length) {
      throw new InvalidInputError(`a row of ${values.length} values, and the model has ${encoders.length} features`);
    }
    return values;
  }
  if (typeof row !== "object" || row === null) {
    throw new InvalidInputError(`a row is an array or an object, got ${quoted(row)}`);
  }
  const named = row as Readonly<Record<string, Value>>;
  const names = new Set(encoders.map((encoder) => encoder.name));
  const missing = [...names].filter((name) => !Object.hasOwn(named, name));
  const unknown = Object.keys(named).filter((name) => !names.has(name));
  if (missing.length || unknown.length) {
    const few = (all: string[]) => (all.length ? all.slice(0, SHOWN).map(quoted).join(", ") : "none");
    throw new InvalidInputError(
      `the row's names are not the model's features: missing ${few(missing)}, unknown ${few(unknown)}`,
      "give every feature, null where its value is missing, or an array in the order of featureNames",
    );
  }
  return encoders.map((encoder) => named[encoder.name]);
}

const SHOWN = 5;
