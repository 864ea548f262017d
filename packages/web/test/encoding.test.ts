/** Rows that do not fit are refused with the feature's name; links and curves are those of the specification. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { create } from "@bufbuild/protobuf";
import { Decoder } from "../src/encoding/decoder.js";
import type { Value } from "../src/encoding/encoder.js";
import { rint } from "../src/encoding/encoder.js";
import { encodeRow } from "../src/encoding/encoders.js";
import { Link } from "../src/encoding/links.js";
import { InvalidInputError } from "../src/errors.js";
import { DecoderSchema } from "../src/generated/cryptable/v1/client_spec_pb.js";
import { describe } from "../src/model/client_spec.js";
import { bytes } from "./vectors.js";

const { encoders } = describe(bytes("accept", { file: "client_spec.gaps.bin", type: "client_spec" })); // radius, id, texture, site, grade

test("a row that does not fit the model is refused, by the name of the feature", () => {
  const good = { radius: 1.5, id: "anything", texture: null, site: "skin", grade: 2n };
  assert.ok(encodeRow(encoders, good).length);
  const refusals: [Record<string, Value>, RegExp][] = [
    [{ ...good, radius: "1.5" }, /"radius" is "1.5"/],
    [{ ...good, texture: (() => 1) as unknown as Value }, /"texture" is .*must be a number/],
    [{ ...good, radius: Symbol("s") as unknown as Value }, /"radius" is Symbol/],
    [{ ...good, radius: Object.create(null) }, /"radius" is a object without a text/],
    [{ ...good, site: Object.create(null) }, /"site" is a object without a text/],
    [{ ...good, radius: Infinity }, /"radius" is Infinity/],
    [{ ...good, site: 3 }, /"site".*strings/],
    [{ ...good, grade: 2.5 }, /"grade".*whole numbers/],
    [{ ...good, grade: "two" }, /"grade".*whole numbers/],
    [{ ...good, more: 1 }, /unknown "more"/],
    [{ radius: 1 }, /missing "id"/],
  ];
  for (const [row, message] of refusals) {
    assert.throws(
      () => encodeRow(encoders, row),
      (error) => error instanceof InvalidInputError && message.test(error.message),
    );
  }
  assert.throws(() => encodeRow(encoders, [1, 2]), /2 values.*5 features/);
});

test("rounding takes ties to even", () => {
  assert.deepEqual(
    [0.5, 1.5, 2.5, -0.5, -1.5, 2.4999999999999996, 4503599627370497.5].map(rint),
    [0, 2, 2, 0, -2, 2, 4503599627370498],
  );
});

function decoder(link: Link, scores: number, more: object = {}): Decoder {
  const labels = [Link.IDENTITY, Link.EXPONENTIAL, Link.LOGISTIC, Link.CURVE].includes(link)
    ? undefined
    : Array.from({ length: Math.max(2, scores) }, (_, i) => BigInt(i));
  const fill = <T>(value: T) => Array.from({ length: scores }, () => value);
  return new Decoder(
    create(DecoderSchema, {
      link,
      offset: fill(-10n),
      step: 0.5,
      base: fill(0),
      ...(labels && { labels: { case: "integers", value: { values: labels } } }),
      ...more,
    }),
  );
}

test("links make probabilities, labels and numbers of scores", () => {
  assert.deepEqual(decoder(Link.SIGMOID, 1).decode([10]), { value: 0n, scores: [0], probabilities: [0.5, 0.5] });
  assert.equal(decoder(Link.SIGMOID, 1).decode([11]).value, 1n);
  assert.deepEqual(decoder(Link.MARGIN, 3).decode([11, 12, 12]), { value: 1n, scores: [0.5, 1, 1] });
  assert.deepEqual(decoder(Link.SOFTMAX, 2).decode([12, 12]).probabilities, [0.5, 0.5]);
  assert.deepEqual(decoder(Link.SIGMOID, 2).decode([-9999, -9999]).probabilities, [0.5, 0.5]);
  assert.deepEqual(decoder(Link.PROBABILITY, 1).decode([11]), { value: 0n, scores: [0.5], probabilities: [0.5, 0.5] });
  assert.equal(decoder(Link.EXPONENTIAL, 1).decode([99999]).value, Infinity);
  assert.deepEqual(decoder(Link.IDENTITY, 2).decode([10, 12]).value, [0, 1]);
  const curve = decoder(Link.CURVE, 1, { curveScores: [0, 1, 3], curvePredictions: [5, 7, -1] });
  assert.deepEqual(
    [0, 10, 11, 12, 14, 16, 99].map((value) => curve.decode([value]).value),
    [5, 5, 6, 7, 3, -1, -1],
  );
  const steep = decoder(Link.CURVE, 1, { curveScores: [0, 1, 2], curvePredictions: [0, -1.7e308, 1.7e308] });
  assert.equal(steep.decode([12]).value, -1.7e308);
});
