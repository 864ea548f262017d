/** Every vector of protos/vectors that a browser can meet is read, or refused with the error that its index names. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { create, toBinary } from "@bufbuild/protobuf";
import { encodeRow } from "../src/encoding/encoders.js";
import { exponential } from "../src/encoding/exponential.js";
import { Link, probabilitiesOf } from "../src/encoding/links.js";
import * as errors from "../src/errors.js";
import { BatchSpecSchema, ClientSpecSchema } from "../src/generated/cryptable/v1/client_spec_pb.js";
import { EvaluationKeysHeaderSchema } from "../src/generated/cryptable/v1/keys_pb.js";
import { EncryptedTensorSchema } from "../src/generated/cryptable/v1/tensor_pb.js";
import { masks, publicPairMask } from "../src/levelled/masks.js";
import { pack, unpack } from "../src/levelled/packing.js";
import { GRID_BITS } from "../src/levelled/ring.js";
import { checkAnswer, decryptAnswer, decryptTogether } from "../src/levelled/row.js";
import { isGood, secretFromBytes } from "../src/levelled/secret.js";
import { readBatch } from "../src/levelled/together.js";
import { describe, readClientSpec } from "../src/model/client_spec.js";
import { fromCanonicalBytes } from "../src/wire/canonical.js";
import * as limits from "../src/wire/limits.js";
import { bytes, fromHex, index, json, sha256, toHex, VECTORS, type Entry } from "./vectors.js";

const SCHEMAS = {
  client_spec: ClientSpecSchema,
  batch_spec: BatchSpecSchema,
  encrypted_tensor: EncryptedTensorSchema,
  ring_tensor: EncryptedTensorSchema,
  evaluation_keys_header: EvaluationKeysHeaderSchema,
};
const parametersOf = (row: { client_spec: string }) =>
  readClientSpec(new Uint8Array(readFileSync(`${VECTORS}/${row.client_spec}`))).parameters;
const TYPES = Object.keys(SCHEMAS) as (keyof typeof SCHEMAS)[];

for (const type of TYPES) {
  test(`${type}: canonical bytes are read and written back, others are refused`, () => {
    const read = (data: Uint8Array) => fromCanonicalBytes(SCHEMAS[type], data, { limit: 1 << 26, what: type });
    for (const entry of index("accept", type)) {
      const data = bytes("accept", entry);
      assert.deepEqual(Buffer.from(toBinary(SCHEMAS[type], read(data))), Buffer.from(data), entry.file);
    }
    for (const entry of index("reject", type).filter(({ stage }) => stage === "bytes")) {
      assert.throws(() => read(bytes("reject", entry)), errors[entry.error!], `${entry.file}: ${entry.why}`);
    }
  });
}

test("client specs: columns and answers of every scheme are those that the index tells", async () => {
  let cases = 0;
  for (const entry of index("accept", "client_spec")) {
    const data = bytes("accept", entry);
    const { encoders, decoder, message } = describe(data);
    assert.equal(await sha256(data), entry.facts.digest, entry.file);
    assert.deepEqual(
      encoders.map((encoder) => encoder.name),
      entry.facts.feature_names,
    );
    for (const { row, elements } of entry.facts.encodes ?? []) {
      assert.deepEqual(encodeRow(encoders, row), elements, `${entry.file}: ${JSON.stringify(row)}`);
      const byName = Object.fromEntries(encoders.map((encoder, i) => [encoder.name, row[i]]));
      assert.deepEqual(encodeRow(encoders, byName), elements);
      cases++;
    }
    for (const { values, scores, label, contributions, base_values } of entry.facts.decodes ?? []) {
      assert.deepEqual(decoder.scores(values), scores, entry.file);
      if (label !== undefined) assert.equal(decoder.decode(values).value, label, entry.file);
      if (contributions) {
        assert.deepEqual(decoder.decode(values).contributions, contributions);
        assert.deepEqual(decoder.baseValues, base_values);
      }
      cases++;
    }
    if (message.levelled) {
      const { modelName, parameters } = readClientSpec(data);
      assert.equal(modelName, message.modelName);
      assert.equal(toHex(await parameters.keyset.name()), entry.facts.keyset_name);
      assert.equal(parameters.keyset.evaluationKeysBytes, entry.facts.evaluation_keys_bytes);
    } else {
      assert.throws(() => readClientSpec(data), errors.UnsupportedSchemeError);
    }
  }
  assert.ok(cases > 30, `${cases}`);
});

/** Faults in the parameters of models of other schemes, which this client refuses as a whole. */
const OF_ANOTHER_SCHEME =
  /^client_spec\.(no_(keyset|input|output)|input_|output_|width_|keyset_|dimension_|bootstrap_|polynomial_size|glwe_|keyswitch_|levels_beyond_width|quadratic_beyond_width|further_bits_wide|squares_(?!two_schemes|high_p_error)|bulk_(?!levelled))/;

test("client specs: every fault is refused with the error of the index", () => {
  for (const entry of index("reject", "client_spec")) {
    const expected = OF_ANOTHER_SCHEME.test(entry.file) ? errors.UnsupportedSchemeError : errors[entry.error!];
    assert.throws(
      () => readClientSpec(bytes("reject", entry)),
      (error) => (error as Error).constructor === expected,
      `${entry.file}: ${entry.why}`,
    );
  }
});

test("levelled: masks, packing and the test of secrets", async () => {
  const figures = json("levelled.json");
  for (const { seed, polynomial, words } of figures.masks) {
    const mask = (await masks(fromHex(seed), polynomial + 1))[polynomial]!;
    assert.deepEqual([...mask.slice(0, 4), mask.at(-1)], words);
  }
  const pair = await publicPairMask(fromHex(figures.public_pair.seed));
  assert.deepEqual([...pair.slice(0, 4)], figures.public_pair.words);
  const { words, bits, bytes: packed } = figures.packed;
  assert.equal(toHex(pack(words, bits)), packed);
  assert.deepEqual([...unpack(fromHex(packed), bits, words.length)], words);
  const trits = Float64Array.from(figures.secret.trits, (trit: string) => Number(trit) - 1);
  assert.equal(isGood(trits), figures.secret.passes);
});

test("levelled: a row's messages stand where the vectors have them", () => {
  const { row, linear } = json("levelled.json");
  const found = (of: typeof row, values: number[]) =>
    parametersOf(of)
      .messages(values)
      .map(([message]) => [...message.entries()].filter(([, value]) => value));
  const expected = row.messages.map((message: [number, number][]) =>
    message.map(([at, exponent]) => [at, 2 ** (GRID_BITS + exponent)]),
  );
  assert.deepEqual(found(row, row.bits), expected);
  for (const layout of [linear, linear.interleaved]) {
    assert.deepEqual(found(layout, linear.integers), layout.messages);
    assert.deepEqual(parametersOf(layout).slotPlaces, layout.slots);
  }
});

test("levelled: answers decrypt to the values of the vectors", () => {
  const { row, secret, answers, linear } = json("levelled.json");
  const key = secretFromBytes(Uint8Array.from(secret.trits, Number));
  for (const [of, cases] of [
    [row, answers],
    [linear, linear.answers],
  ]) {
    for (const { polynomials, values } of cases) {
      const answer = create(EncryptedTensorSchema, { polynomials: fromHex(polynomials) });
      assert.deepEqual(decryptAnswer(parametersOf(of), key, answer), values);
    }
  }
});

test("levelled: tensors of another form are no answers", () => {
  const { parameters } = readClientSpec(bytes("accept", { file: "client_spec.levelled.bin", type: "client_spec" }));
  const read = (folder: "accept" | "reject", entry: Entry) =>
    checkAnswer(
      parameters,
      fromCanonicalBytes(EncryptedTensorSchema, bytes(folder, entry), { limit: 1 << 20, what: "" }),
    );
  const [row, answer] = ["row", "answer"].map((name) => ({ file: `ring_tensor.${name}.bin`, type: "ring_tensor" }));
  read("accept", answer!);
  for (const entry of index("reject", "ring_tensor")) {
    assert.throws(() => read("reject", entry), errors.MalformedMessageError, entry.file);
  }
  assert.throws(() => read("accept", row!), errors.MalformedMessageError);
});

test("links: e to the power of scores, and probabilities, to the last bit", () => {
  const { exponentials, probabilities } = json("links.json");
  for (const { x, "e^x": power } of exponentials) assert.equal(exponential(x), power ?? Infinity, `${x}`);
  for (const { link, scores, probabilities: expected } of probabilities) {
    assert.deepEqual(probabilitiesOf(Link[link as keyof typeof Link], scores), expected);
  }
  assert.equal(exponential(NaN), NaN);
});

test("limits are those of the specification", () => {
  const text = readFileSync(`${VECTORS}/../SPEC.md`, "utf8");
  const figures = Object.fromEntries(
    [...text.matchAll(/^\| `(MAX_\w+|CHUNK_BYTES)` \| (\d+) \|/gm)].map((m) => [m[1], Number(m[2])]),
  );
  for (const [name, figure] of Object.entries(limits)) assert.equal(figure, figures[name], name);
});

test("rows together: specifications are read or refused, rows laid out, and packed answers read", async () => {
  const figures = json("levelled.json").together;
  const alone = parametersOf(figures);
  for (const entry of index("accept", "batch_spec")) {
    const batch = await readBatch(alone, new Uint8Array(bytes("accept", entry)));
    const { rows, rows_per_answer, answer_bytes } = entry.facts;
    assert.deepEqual([batch.mostRows, batch.rowsPerAnswer], [rows, rows_per_answer]);
    assert.equal(batch.answerBytes(rows), answer_bytes);
  }
  const refused = index("reject", "batch_spec");
  assert.ok(refused.length >= 9);
  for (const entry of refused) {
    await assert.rejects(readBatch(alone, new Uint8Array(bytes("reject", entry))), errors[entry.error!], entry.file);
  }
  const batch = await readBatch(alone, new Uint8Array(readFileSync(`${VECTORS}/${figures.batch_spec}`)));
  const found = [...batch.row.layout.together(figures.bits)].flatMap((word, at) =>
    word ? [[at, Math.log2(word) - GRID_BITS]] : [],
  );
  assert.deepEqual(found, figures.message);
  const key = secretFromBytes(Uint8Array.from(json("levelled.json").secret.trits, Number));
  for (const { rows, polynomials, values } of figures.answers) {
    const of = (changes: object) =>
      create(EncryptedTensorSchema, {
        polynomials: fromHex(polynomials),
        rows,
        rowsPerAnswer: batch.rowsPerAnswer,
        ...changes,
      });
    assert.deepEqual(decryptTogether(batch, key, of({}), rows).flat(), values);
    for (const changes of [{ rows: rows + 1 }, { rowsPerAnswer: 0 }, { polynomials: fromHex(polynomials.slice(2)) }]) {
      assert.throws(() => decryptTogether(batch, key, of(changes), rows), errors.MalformedMessageError);
    }
    assert.throws(() => checkAnswer(alone, of({})), errors.MalformedMessageError);
  }
});
