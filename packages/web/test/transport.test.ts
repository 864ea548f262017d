/** Calls against a small HTTP server: what is sent, and what becomes of every kind of answer. */
import assert from "node:assert/strict";
import type { IncomingMessage } from "node:http";
import { test } from "node:test";
import { create, toBinary } from "@bufbuild/protobuf";
import * as errors from "../src/errors.js";
import { Inference, ListModelsResponseSchema } from "../src/generated/cryptable/v1/inference_pb.js";
import { connect, listModels } from "../src/index.js";
import { isLoopback, Transport } from "../src/server/transport.js";
import { SmallServer } from "./small_server.js";

const server = await SmallServer.start();
const { address } = server;
// Of its own: a call that was given up may reach the other while the next test runs.
const untouched = await SmallServer.start();
untouched.answer = () => assert.fail("something was sent");

const models = toBinary(
  ListModelsResponseSchema,
  create(ListModelsResponseSchema, { models: [{ name: "tumour", version: "1" }] }),
);

test("a call is a POST of a message, with a token where there is one", async () => {
  let seen: IncomingMessage | undefined;
  server.answer = (request, response) => {
    seen = request;
    response.writeHead(200, { "content-type": "application/proto" }).end(models);
  };
  assert.deepEqual(await listModels(address, { token: async () => "secret" }), [{ name: "tumour", version: "1" }]);
  assert.equal(seen!.method, "POST");
  assert.equal(seen!.url, "/cryptable.v1.Inference/ListModels");
  assert.equal(seen!.headers.authorization, "Bearer secret");
  assert.equal(seen!.headers["content-type"], "application/proto");
  assert.equal(seen!.headers["connect-timeout-ms"], "120000");
  assert.equal(seen!.headers.cookie, undefined);
});

const REFUSALS: [number, string, new (...args: never[]) => errors.CryptableError][] = [
  [404, "not_found", errors.NotFoundError],
  [400, "failed_precondition", errors.SpecChangedError],
  [400, "invalid_argument", errors.RequestRefusedError],
  [429, "resource_exhausted", errors.OverloadedError],
  [500, "data_loss", errors.DataLossError],
  [401, "unauthenticated", errors.AuthenticationError],
  [403, "permission_denied", errors.AuthenticationError],
  [503, "unavailable", errors.UnavailableError],
  [504, "deadline_exceeded", errors.TimeoutExceededError],
  [501, "unimplemented", errors.RequestRefusedError],
  [500, "internal", errors.ServerError],
];

test("refusals become the errors of their statuses, with advice, and cannot flood a log", async () => {
  for (const [status, code, type] of REFUSALS) {
    server.replies(status, JSON.stringify({ code, message: `no\u001b[31m\n${"x".repeat(9999)}` }), {
      "content-type": "application/json",
      "trailer-grpc-retry-pushback-ms": "1500",
    });
    const error = await listModels(address).then(String, (caught: unknown) => caught);
    assert.ok(error instanceof errors.ServerError);
    assert.equal(error.constructor, type, code);
    assert.equal(error.code, code.toUpperCase());
    assert.equal(error.retryAfterMs, 1500);
    assert.ok(error.advice);
    assert.ok(error.message.length < 1000);
    assert.doesNotMatch(error.message, /[\u001b\n]/);
  }
});

test("answers of others than a Cryptable server are typed errors", async () => {
  const cases: [number, string | Uint8Array, Record<string, string>, new (...args: never[]) => Error][] = [
    [200, "<html>", { "content-type": "text/html" }, errors.ServerError],
    [401, "<html>", { "content-type": "text/html" }, errors.AuthenticationError],
    [403, "<html>", { "content-type": "text/html" }, errors.AuthenticationError],
    [404, "<html>", { "content-type": "text/html" }, errors.RequestRefusedError],
    [429, "<html>", { "content-type": "text/html" }, errors.UnavailableError],
    [502, "<html>", { "content-type": "text/html" }, errors.UnavailableError],
    [503, '{"message": "busy"}', { "content-type": "application/json" }, errors.UnavailableError],
    [500, '{"code": "toString"}', { "content-type": "application/json" }, errors.ServerError],
    [500, '{"code": 5}', { "content-type": "application/json" }, errors.ServerError],
    [200, new Uint8Array([255]), {}, errors.MalformedMessageError],
    [200, new Uint8Array(1 << 19), {}, errors.LimitExceededError],
    [302, "", { location: "http://localhost:1/" }, errors.UnavailableError],
  ];
  for (const [status, body, headers, type] of cases) {
    server.replies(status, body, headers);
    const error = await listModels(address).then(String, (caught: unknown) => caught);
    assert.equal(Object(error).constructor, type, `${status} ${headers["content-type"]}`);
  }
});

test("silence ends at the deadline, and when the caller gives up", async () => {
  server.answer = () => undefined;
  await assert.rejects(listModels(address, { timeoutMs: 100 }), errors.TimeoutExceededError);
  const giving = new AbortController();
  const call = listModels(address, { signal: giving.signal });
  giving.abort(new Error("enough"));
  await assert.rejects(call, /enough/);
  await assert.rejects(listModels("http://127.0.0.1:1"), errors.UnavailableError);
});

test("addresses, timeouts and tokens that cannot be are refused before anything is sent", async () => {
  const refused = (call: Promise<unknown>) => assert.rejects(call, errors.InvalidInputError);
  await refused(listModels("http://model.example.org"));
  await refused(listModels("nonsense"));
  await refused(listModels(untouched.address, { timeoutMs: 0 }));
  await refused(listModels(untouched.address, { timeoutMs: NaN }));
  await refused(listModels(untouched.address, { token: "two\r\nlines" }));
  await refused(listModels(untouched.address, { token: () => null as unknown as string }));
  await refused(listModels(untouched.address, { token: async () => 5 as unknown as string }));
  await refused(listModels("https://model.example.org/prefix"));
  await refused(listModels("https://model.example.org/?a"));
  await assert.rejects(listModels("https://user:hidden@model.example.org"), (error: Error) => {
    assert.ok(error instanceof errors.InvalidInputError);
    return !error.message.includes("hidden");
  });
  await refused(connect(untouched.address, { model: "tumour", signer: "abc" }));
});

test("what gives tokens may fail, or never end", { timeout: 10_000 }, async () => {
  const fails = async () => Promise.reject(new Error("signed out"));
  await assert.rejects(listModels(untouched.address, { token: fails }), /^Error: signed out/);
  const never = () => new Promise<string>(() => undefined);
  await assert.rejects(listModels(untouched.address, { token: never, timeoutMs: 50 }), errors.TimeoutExceededError);
  const giving = new AbortController();
  const call = listModels(untouched.address, { token: never, signal: giving.signal });
  giving.abort(new Error("enough"));
  await assert.rejects(call, /enough/);
});

test("a timeout need not be whole, and the whole loopback net is this machine", async () => {
  server.replies(200, models);
  assert.equal((await listModels(address, { timeoutMs: 1500.5 })).length, 1);
  assert.equal(isLoopback(new URL("http://127.8.0.1")), true);
  assert.equal(isLoopback(new URL("http://127.0.0.1.example.org")), false);
});

test("what a server calls a version is cut, and cannot steer a terminal", async () => {
  server.answers({ listModels: () => ({ models: [{ name: "tumour", version: `\u001b[31m${"x".repeat(60_000)}` }] }) });
  const version = (await listModels(address))[0]!.version;
  assert.ok(version.length < 300);
  assert.doesNotMatch(version, /\u001b/);
});

test("traffic counts messages", async () => {
  server.replies(200, models);
  const transport = new Transport({ url: new URL(address), timeoutMs: 1000 });
  await transport.call(Inference.method.listModels, {}, { doing: "listing" });
  assert.deepEqual(transport.traffic, { sent: 0, received: models.length });
});
