/** Bytes from a hostile server: typed errors, or values in the declared range, and nothing else. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { CryptableError, MalformedMessageError } from "../src/errors.js";
import { ClientSpecSchema, type FeatureEncoder } from "../src/generated/cryptable/v1/client_spec_pb.js";
import { EncryptedTensorSchema, type EncryptedTensor } from "../src/generated/cryptable/v1/tensor_pb.js";
import { create, toBinary } from "@bufbuild/protobuf";
import { randomBytes } from "../src/levelled/random.js";
import { decryptAnswer } from "../src/levelled/row.js";
import { SecretKey } from "../src/levelled/secret.js";
import { readClientSpec } from "../src/model/client_spec.js";
import { bytes, generator, index } from "./vectors.js";

const MUTATIONS = 1500;

test("mutated specifications are read, or refused by a typed error", () => {
  const random = generator(20);
  const originals = index("accept", "client_spec").map((entry) => bytes("accept", entry));
  let refused = 0;
  for (let i = 0; i < MUTATIONS; i++) {
    const data = originals[random(originals.length)]!.slice();
    for (let changes = 1 + random(3); changes; changes--) data[random(data.length)] = random(256);
    const cut = random(4) ? data : data.subarray(0, random(data.length));
    try {
      readClientSpec(cut);
    } catch (error) {
      refused++;
      assert.ok(error instanceof CryptableError, `${i}: ${error}`);
    }
  }
  assert.ok(refused > MUTATIONS / 2);
});

test("whatever is well-formed decodes, in the declared range", () => {
  const key = SecretKey.generate();
  const answer = (polynomials: Uint8Array, changes: object = {}): EncryptedTensor =>
    create(EncryptedTensorSchema, { polynomials, ...changes });
  const read = (name: string) => readClientSpec(bytes("accept", { file: `client_spec.${name}.bin`, type: "" }));
  for (const { parameters, decoder } of [read("levelled"), read("levelled_linear")]) {
    for (let i = 0; i < 200; i++) {
      const values = decryptAnswer(parameters, key, answer(randomBytes(parameters.answerBytes)));
      assert.ok(values.every((value) => Number.isInteger(value) && value >= 0 && value <= parameters.maximum));
      assert.ok(decoder.decode(values).scores.every(Number.isFinite));
    }
  }
  const { parameters } = read("levelled");
  for (const bad of [
    answer(randomBytes(parameters.answerBytes - 1)),
    answer(new Uint8Array()),
    answer(randomBytes(parameters.answerBytes), { wordBits: 14 }),
    answer(randomBytes(parameters.answerBytes), { bodies: randomBytes(8) }),
    answer(randomBytes(parameters.answerBytes), { masks: { case: "seed", value: randomBytes(16) } }),
  ]) {
    assert.throws(() => decryptAnswer(parameters, key, bad), MalformedMessageError);
  }
});

test("lists of small numbers are refused before they are parsed", () => {
  const many = new Array<number>(200_000).fill(1);
  const long = toBinary(ClientSpecSchema, create(ClientSpecSchema, { decoder: { offset: many.map(BigInt) } }));
  assert.throws(() => readClientSpec(long), /more than 131072 numbers/);
  const part = new Array<number>(131_072).fill(1);
  const encoder = { kind: { case: "affine", value: { missing: part } } } as Partial<FeatureEncoder>;
  const lists = toBinary(ClientSpecSchema, create(ClientSpecSchema, { features: new Array(9).fill(encoder) }));
  assert.throws(() => readClientSpec(lists), /more than 1048576 numbers in lists/);
});
