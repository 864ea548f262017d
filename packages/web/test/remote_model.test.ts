/** Rows of a connected model, against a server that fails, delays, or says what is no time. */
import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";
import { create, toBinary } from "@bufbuild/protobuf";
import * as errors from "../src/errors.js";
import { InferRowResponseSchema } from "../src/generated/cryptable/v1/inference_pb.js";
import { connect } from "../src/index.js";
import { MemoryKeyStore } from "../src/keys/memory.js";
import { UNIVERSAL } from "../src/levelled/keyset.js";
import { randomBytes } from "../src/levelled/random.js";
import { readClientSpec } from "../src/model/client_spec.js";
import { Refusal, SmallServer } from "./small_server.js";
import { bytes, generator } from "./vectors.js";

const server = await SmallServer.start();
const clientSpec = bytes("accept", { file: "client_spec.levelled.bin", type: "client_spec" });
const { modelName, parameters } = readClientSpec(clientSpec);
const store = new MemoryKeyStore();
const served = {
  getModel: () => ({ clientSpec, version: "1", artifactDigest: new Uint8Array(32) }),
  getEvaluationKeys: async () => ({ size: BigInt(UNIVERSAL.evaluationKeysBytes), keysetName: await UNIVERSAL.name() }),
  inferRow: () => ({ result: { polynomials: randomBytes(parameters.answerBytes) }, cpuSeconds: NaN }),
};
const rowsSent = () => server.calls.filter((name) => name === "InferRow").length;
const row = [1.25, 2.0];

beforeEach(() => server.calls.splice(0));

test("what a server says of its time is a time", async () => {
  server.answers(served);
  const model = await connect(server.address, { model: modelName, store });
  assert.equal((await model.predict(row)).report.serverCpuMs, 0);
});

test("a server's waits for one row add up to no more than the timeout", async () => {
  const busy = new Refusal(503, "unavailable", { "trailer-grpc-retry-pushback-ms": "300" });
  let asked = 0;
  server.answers({ ...served, inferRow: () => (asked++, busy) });
  const model = await connect(server.address, { model: modelName, store, timeoutMs: 500 });
  await assert.rejects(model.predict(row), errors.UnavailableError);
  assert.equal(asked, 2);
});

test("after a row has failed, the other rows are not sent", async () => {
  server.answers({ ...served, inferRow: () => new Refusal(403, "permission_denied") });
  const model = await connect(server.address, { model: modelName, store });
  await assert.rejects(model.predictAll(new Array(60).fill(row)), errors.AuthenticationError);
  assert.ok(rowsSent() <= 4, `${rowsSent()} of 60 rows`);
});

test("malformed answers are typed errors, and well-formed ones of random words are answers", async () => {
  const below = generator(21);
  let answer: Uint8Array = new Uint8Array();
  server.answers({ ...served, inferRow: () => answer });
  const model = await connect(server.address, { model: modelName, store });
  const outcomes = { answered: 0, refused: 0 };
  for (let i = 0; i < 150; i++) {
    const honest = { result: { polynomials: randomBytes(parameters.answerBytes) }, cpuSeconds: 0.5 };
    answer = toBinary(InferRowResponseSchema, create(InferRowResponseSchema, honest));
    // Most of it are words, where all bytes are good: changes are made at its ends.
    for (let changes = below(4); changes; changes--) {
      answer[below(2) ? below(12) : answer.length - 1 - below(12)] = below(256);
    }
    if (!below(8)) answer = answer.subarray(0, below(answer.length));
    if (!below(8)) answer = Buffer.concat([answer, randomBytes(below(20))]);
    try {
      const { scores } = await model.predict(row);
      assert.ok(scores.every(Number.isFinite));
      outcomes.answered++;
    } catch (error) {
      assert.ok(error instanceof errors.MalformedMessageError, `${i}: ${error}`);
      outcomes.refused++;
    }
  }
  assert.ok(outcomes.answered > 30 && outcomes.refused > 30, JSON.stringify(outcomes));
});

test("keys past their date are refused, and replaced by those who connect again", async () => {
  const told: number[][] = [];
  server.answers({ ...served, deleteEvaluationKeys: ({ sha256 }) => (told.push([...sha256]), {}) });
  const few = { model: modelName, store: new MemoryKeyStore(), keyDays: 100 / 86_400_000 }; // milliseconds
  const model = await connect(server.address, few);
  await new Promise((done) => setTimeout(done, 120));
  server.calls.splice(0);
  await assert.rejects(model.predict(row), errors.KeysExpiredError);
  assert.deepEqual(server.calls, []);
  const again = await connect(server.address, { ...few, keyDays: 1 });
  assert.deepEqual(told, [[...model.evaluationKeysDigest]]);
  assert.notDeepEqual(again.evaluationKeysDigest, model.evaluationKeysDigest);
  assert.deepEqual((await connect(server.address, few)).evaluationKeysDigest, again.evaluationKeysDigest);
  assert.equal((await again.predict(row)).report.phases.length, 4);
  await assert.rejects(connect(server.address, { ...few, keyDays: 0 }), errors.InvalidInputError);
});

test("a forgotten model says so", async () => {
  server.answers({ ...served, deleteEvaluationKeys: () => ({}) });
  const model = await connect(server.address, { model: modelName, store });
  await model.forgetKeys();
  await assert.rejects(model.predict(row), /were forgotten/);
});
