/** Rows of a connected model, against a server that fails, delays, or says what is no time. */
import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";
import * as errors from "../src/errors.js";
import { connect } from "../src/index.js";
import { MemoryKeyStore } from "../src/keys/memory.js";
import { EVALUATION_KEYS_BYTES, keysetName } from "../src/levelled/keyset.js";
import { randomBytes } from "../src/levelled/random.js";
import { readClientSpec } from "../src/model/client_spec.js";
import { Refusal, SmallServer } from "./small_server.js";
import { bytes } from "./vectors.js";

const server = await SmallServer.start();
const clientSpec = bytes("accept", { file: "client_spec.levelled.bin", type: "client_spec" });
const { modelName, parameters } = readClientSpec(clientSpec);
const store = new MemoryKeyStore();
const served = {
  getModel: () => ({ clientSpec, version: "1", artifactDigest: new Uint8Array(32) }),
  getEvaluationKeys: async () => ({ size: BigInt(EVALUATION_KEYS_BYTES), keysetName: await keysetName() }),
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

test("a forgotten model says so", async () => {
  server.answers({ ...served, deleteEvaluationKeys: () => ({}) });
  const model = await connect(server.address, { model: modelName, store });
  await model.forgetKeys();
  await assert.rejects(model.predict(row), /were forgotten/);
});
