/** The scheme's arithmetic against integers of any length, and what keys and rows encrypt. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { inspect } from "node:util";
import { create } from "@bufbuild/protobuf";
import { EncryptedTensorSchema } from "../src/generated/cryptable/v1/tensor_pb.js";
import { evaluationKeys, messages } from "../src/levelled/evaluation_keys.js";
import { BODY_BYTES, PUBLIC_PAIR, UNIVERSAL } from "../src/levelled/keyset.js";
import { masks, publicPairMask, SEED_BYTES } from "../src/levelled/masks.js";
import { pack, packedBytes, unpack } from "../src/levelled/packing.js";
import { DEVIATION, gaussian, randomBytes, TABLE_HIGH, TABLE_LOW, ternary } from "../src/levelled/random.js";
import { GRID, GRID_BITS, modulo, N, product, torusTimes, transform } from "../src/levelled/ring.js";
import { decryptAnswer, encryptRow } from "../src/levelled/row.js";
import { isGood, reveal, SecretKey, secretFromBytes, secretToBytes } from "../src/levelled/secret.js";
import { readClientSpec } from "../src/model/client_spec.js";
import { VECTORS } from "./vectors.js";

const parametersOf = (name: string) =>
  readClientSpec(new Uint8Array(readFileSync(`${VECTORS}/accept/client_spec.${name}.bin`))).parameters;
const parameters = parametersOf("levelled");
const linear = parametersOf("levelled_linear");
const NOISE = 12 * DEVIATION; // beyond with probability below 2^-90

/** a · s modulo X^N + 1 at some coefficients, in integers that never round. */
function exactly(a: Float64Array, s: Float64Array, at: number): bigint {
  let sum = 0n;
  for (let j = 0; j < N; j++) {
    const i = at - j;
    sum += (i < 0 ? -1n : 1n) * BigInt(a[(i + N) % N]!) * BigInt(s[j]!);
  }
  return sum;
}

const centred = (x: number, modulus: number) => modulo(x + modulus / 2, modulus) - modulus / 2;

test("products with the secret are exact, at the ends of the range too", () => {
  const random = unpack(randomBytes(packedBytes(N, GRID_BITS)), GRID_BITS, N);
  const highest = new Float64Array(N).fill(GRID - 1);
  const halves = new Float64Array(N).fill(2 ** 51 + 2 ** 25);
  const s = ternary();
  const ones = new Float64Array(N).fill(1);
  for (const [a, secret] of [
    [random, s],
    [highest, s],
    [halves, s],
    [highest, ones],
    [halves, ones],
  ] as const) {
    const found = torusTimes(a, transform(secret));
    for (const at of [0, 1, 1023, 1024, 2047]) {
      assert.equal(BigInt(found[at]!), BigInt.asUintN(GRID_BITS, exactly(a, secret, at)));
    }
  }
  const square = product(transform(s), transform(s));
  assert.equal(BigInt(square[77]!), exactly(s, s, 77));
});

test("packing takes words of every width", () => {
  for (const bits of [8, 12, 13, 14, 20, 28, 36, 52]) {
    const words = [0, 1, 2 ** bits - 1, 2 ** (bits - 1), 5];
    assert.deepEqual([...unpack(pack(words, bits), bits, words.length)], words);
  }
});

test("noise has the curve's deviation, and its table is that of the normal distribution", () => {
  const count = 400 * N;
  let sum = 0;
  let squares = 0;
  for (let i = 0; i < count / N; i++) {
    for (const x of gaussian()) {
      sum += x;
      squares += x * x;
    }
  }
  const variance = DEVIATION ** 2 + 1 / 12;
  assert.ok(Math.abs(sum / count) < 5 * Math.sqrt(variance / count));
  assert.ok(Math.abs(squares / count / variance - 1) < 5 * Math.sqrt(2 / count));
  // P(|x| ≥ k) by a sum over a fine grid of the density, which the table's rule does not use.
  const step = 1 / 512;
  for (const k of [1, 4, 9, 20]) {
    let tail = 0;
    for (let t = k - 0.5 + step / 2; t < 60; t += step) tail += Math.exp(-0.5 * (t / DEVIATION) ** 2) * step;
    const expected = (2 * tail) / (DEVIATION * Math.sqrt(2 * Math.PI));
    const found = TABLE_HIGH[k - 1]! * 2 ** -31 + TABLE_LOW[k - 1]! * 2 ** -62;
    assert.ok(Math.abs(found / expected - 1) < 1e-6, `${k}: ${found}, expected ${expected}`);
  }
});

test("secrets are ternary, good, and tell nothing of themselves", () => {
  const key = SecretKey.generate();
  const { coefficients } = reveal(key);
  for (const value of [-1, 0, 1]) {
    const share = coefficients.filter((each) => each === value).length / N;
    assert.ok(Math.abs(share - 1 / 3) < 6 * Math.sqrt(2 / 9 / N));
  }
  assert.ok(isGood(coefficients));
  assert.ok(!isGood(new Float64Array(N).fill(1)));
  assert.throws(() => JSON.stringify(key), TypeError);
  assert.doesNotMatch(inspect(key, { showHidden: true, depth: 5 }), /coefficients|\d/);
  assert.deepEqual(Object.keys(structuredClone(key)), []);
  assert.deepEqual(reveal(secretFromBytes(secretToBytes(key))).coefficients, coefficients);
  assert.throws(() => secretFromBytes(new Uint8Array(N).fill(3)), /no ternary/);
  assert.throws(() => secretFromBytes(new Uint8Array(N).fill(2)), /does not pass/);
});

test("every row of evaluation keys encrypts what it should, with noise that is neither absent nor large", async () => {
  const key = SecretKey.generate();
  for (const keyset of [UNIVERSAL, PUBLIC_PAIR]) {
    const data = await evaluationKeys(key, keyset);
    assert.equal(data.length, keyset.evaluationKeysBytes);
    const seed = data.slice(0, SEED_BYTES);
    const mask = [...(await masks(seed, keyset.rows - 1)), await publicPairMask(seed)];
    const encrypted = messages(key, keyset);
    assert.equal(encrypted.length, keyset.rows);
    encrypted.forEach((message, i) => {
      const at = SEED_BYTES + i * BODY_BYTES;
      const body = unpack(data.subarray(at, at + BODY_BYTES), GRID_BITS, N);
      const hidden = torusTimes(mask[i]!, reveal(key).spectrum);
      const noise = body.map((word, j) => Math.abs(centred(word - hidden[j]! - message[j]!, GRID)));
      assert.ok(Math.max(...noise) <= NOISE, `row ${i}`);
      assert.ok(noise.filter((each) => each > 0).length > N / 2, `row ${i}`);
    });
    assert.notDeepEqual((await evaluationKeys(key, keyset)).subarray(0, SEED_BYTES), seed);
  }
});

test("a row encrypts its messages, under a seed of its own", async () => {
  const key = SecretKey.generate();
  for (const [of, values, wrong] of [
    [parameters, [1, 0, 0, 1, 1], [1, 0, 2, 0, 0]],
    [linear, [5, 40_000, 1], [5, 65_536, 1]],
  ] as const) {
    const { masks: form, polynomials } = await encryptRow(of, key, values);
    assert.ok(form?.case === "seed" && form.value && polynomials);
    const [mask] = await masks(Uint8Array.from(form.value), 1);
    const [message, bits] = of.messages(values)[0]!;
    const body = unpack(polynomials.subarray(0, packedBytes(N, bits)), bits, N);
    const hidden = torusTimes(mask!, reveal(key).spectrum);
    const step = 2 ** (GRID_BITS - bits);
    const noise = body.map((word, j) => Math.abs(centred(word * step - hidden[j]! - message[j]!, GRID)));
    assert.ok(Math.max(...noise) <= NOISE + step / 2);
    const again = await encryptRow(of, key, values);
    assert.notDeepEqual(again.masks, form);
    await assert.rejects(encryptRow(of, key, wrong), /integers of 0/);
  }
});

test("parts of an answer are read one after the other, and the last one's rest is of no output", () => {
  const key = SecretKey.generate();
  const [width, perPart, values] = [linear.answerWordBits, linear.outputsPerPart, [123_456_789, 0, 1 << 29]];
  const parts = [values.slice(0, perPart), [values[perPart]!, 7]].map((own) => {
    const mask = unpack(randomBytes(packedBytes(N, width)), width, N);
    const hidden = product(transform(mask), reveal(key).spectrum);
    const body = linear.slotPlaces.map((place, slot) => {
      const p = linear.moduli[Math.floor(slot / perPart)]!;
      const phase = Math.round(((own[slot % perPart]! % p) * 2 ** width) / p);
      return modulo(hidden[place]! + phase, 2 ** width);
    });
    return Buffer.concat([pack(mask, width), pack(body, width)]);
  });
  const polynomials = Uint8Array.from(Buffer.concat(parts));
  const of = { ...linear, outputs: 3, answerBytes: polynomials.length };
  const answer = create(EncryptedTensorSchema, { polynomials });
  assert.deepEqual(decryptAnswer(of, key, answer), values);
});
