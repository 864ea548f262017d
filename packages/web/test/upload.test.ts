/** Uploads to servers that keep nothing, too much, or the wrong things; and what is asked of a server that is asked to forget. */
import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";
import * as errors from "../src/errors.js";
import { forgetKeys } from "../src/index.js";
import { MemoryKeyStore } from "../src/keys/memory.js";
import { PUBLIC_PAIR, UNIVERSAL } from "../src/levelled/keyset.js";
import { reveal, SecretKey } from "../src/levelled/secret.js";
import { Transport } from "../src/server/transport.js";
import { ensureUploaded } from "../src/server/upload.js";
import { Refusal, SmallServer } from "./small_server.js";

const BYTES = UNIVERSAL.evaluationKeysBytes;
const SIZE = BigInt(BYTES);
const server = await SmallServer.start();
const digest = new Uint8Array(32).fill(9);
const keys = { keyset: UNIVERSAL, digest, data: async () => new Uint8Array(BYTES) };
const upload = (timeoutMs = 5000, signal?: AbortSignal) =>
  ensureUploaded(new Transport({ url: new URL(server.address), timeoutMs }), keys, signal);

beforeEach(() => server.calls.splice(0));

test("keys that the server has are not sent", async () => {
  server.answers({ getEvaluationKeys: async () => ({ size: SIZE, keysetName: await UNIVERSAL.name() }) });
  assert.equal(await upload(), false);
});

test("keys of which the server has every byte but which it did not store, or others, are sent", async () => {
  const name = await UNIVERSAL.name();
  for (const present of [
    { received: SIZE },
    { received: SIZE + 1n },
    { size: 5n, keysetName: name },
    { size: SIZE, keysetName: new Uint8Array(32) },
    { size: SIZE, keysetName: await PUBLIC_PAIR.name() },
    {},
  ]) {
    let sent = 0;
    server.answers({
      getEvaluationKeys: () => present,
      putEvaluationKeys: ({ chunk }) => ({ received: chunk!.offset + BigInt((sent += chunk!.data.length)) }),
    });
    assert.equal(await upload(), true);
    assert.equal(sent, BYTES);
  }
});

test("an upload goes on where the server says, though another has brought it further", async () => {
  const offsets: bigint[] = [];
  server.answers({
    getEvaluationKeys: () => ({ received: 7n }),
    putEvaluationKeys: ({ chunk }) => (offsets.push(chunk!.offset), { received: offsets.length === 1 ? 100n : SIZE }),
  });
  assert.equal(await upload(), true);
  assert.deepEqual(offsets, [7n, 100n]);
});

test("a server that keeps no piece, or more than there is, is given up", async () => {
  server.answers({ getEvaluationKeys: () => ({}), putEvaluationKeys: () => ({ received: 0n }) });
  await assert.rejects(upload(), errors.DataLossError);
  assert.equal(server.calls.filter((name) => name === "PutEvaluationKeys").length, 3);
  server.answers({ getEvaluationKeys: () => ({}), putEvaluationKeys: () => ({ received: SIZE + 1n }) });
  await assert.rejects(upload(), errors.MalformedMessageError);
});

test("a server that asks for more patience than there is, is not waited for", async () => {
  const busy = new Refusal(503, "unavailable", { "trailer-grpc-retry-pushback-ms": "600000" });
  server.answers({ getEvaluationKeys: () => ({}), putEvaluationKeys: () => busy });
  const began = performance.now();
  await assert.rejects(upload(2000), (error: errors.UnavailableError) => error.retryAfterMs === 60_000);
  assert.ok(performance.now() - began < 2000);
});

test("who waits for another's work under the same name can give up", { timeout: 5000 }, async () => {
  const store = new MemoryKeyStore();
  let done = () => {};
  const first = store.exclusively("name", () => new Promise<void>((resolve) => (done = resolve)));
  const giving = new AbortController();
  const second = store.exclusively("name", async () => assert.fail("nobody waits for it"), giving.signal);
  giving.abort(new Error("enough"));
  await assert.rejects(second, /enough/);
  done();
  await first;
  assert.equal(await store.exclusively("name", async () => 3), 3);
});

test("the server is told to forget keys before they are forgotten here, and the secret is overwritten", async () => {
  const store = new MemoryKeyStore();
  const [name, pair] = [UNIVERSAL, PUBLIC_PAIR].map(({ number }) => `keyset ${number} ${server.address} ann`) as [
    string,
    string,
  ];
  const secret = SecretKey.generate();
  const { coefficients } = reveal(secret);
  const ofPair = new Uint8Array(32).fill(8);
  await store.add(name, { secret, digest, created: 0 }, new Uint8Array(1));
  await store.add(pair, { secret: SecretKey.generate(), digest: ofPair, created: 0 }, new Uint8Array(1));
  server.answers({ deleteEvaluationKeys: () => new Refusal(503, "unavailable") });
  await assert.rejects(forgetKeys(server.address, { store, account: "ann" }), errors.UnavailableError);
  assert.ok(await store.find(name), "else it could not be tried again");
  const told: Uint8Array[] = [];
  server.answers({ deleteEvaluationKeys: ({ sha256 }) => (told.push(sha256), {}) });
  await forgetKeys(server.address, { store, account: "ann" });
  assert.deepEqual(
    told.map((each) => [...each]),
    [[...digest], [...ofPair]],
  );
  assert.equal(await store.find(name), undefined);
  assert.equal(await store.find(pair), undefined, "keys of linear models are the account's too");
  assert.ok(coefficients.every((coefficient) => coefficient === 0));
  assert.throws(() => reveal(secret), /were forgotten/);
});
