/** Calls against a small HTTP server: what is sent, and what becomes of every kind of answer. */
import assert from "node:assert/strict";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { after, test } from "node:test";
import { create, toBinary } from "@bufbuild/protobuf";
import * as errors from "../src/errors.js";
import { Inference, ListModelsResponseSchema } from "../src/generated/cryptable/v1/inference_pb.js";
import { connect, listModels } from "../src/index.js";
import { Transport } from "../src/server/transport.js";

let answer: (request: IncomingMessage, response: ServerResponse) => void;
const server = createServer((request, response) => answer(request, response));
await new Promise<void>((ready) => server.listen(0, "127.0.0.1", ready));
const address = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
after(() => server.close());

const models = toBinary(
  ListModelsResponseSchema,
  create(ListModelsResponseSchema, { models: [{ name: "tumour", version: "1" }] }),
);

function replies(status: number, body: string | Uint8Array, headers: Record<string, string> = {}): void {
  answer = (_, response) => response.writeHead(status, { "content-type": "application/proto", ...headers }).end(body);
}

test("a call is a POST of a message, with a token where there is one", async () => {
  let seen: IncomingMessage | undefined;
  answer = (request, response) => {
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
  [500, "toString", errors.ServerError],
];

test("refusals become the errors of their statuses, with advice, and cannot flood a log", async () => {
  for (const [status, code, type] of REFUSALS) {
    replies(status, JSON.stringify({ code, message: `no\u001b[31m\n${"x".repeat(9999)}` }), {
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
    [502, "<html>", { "content-type": "text/html" }, errors.UnavailableError],
    [200, new Uint8Array([255]), {}, errors.MalformedMessageError],
    [200, new Uint8Array(1 << 19), {}, errors.LimitExceededError],
    [302, "", { location: "http://localhost:1/" }, errors.UnavailableError],
  ];
  for (const [status, body, headers, type] of cases) {
    replies(status, body, headers);
    await assert.rejects(listModels(address), type, `${status} ${headers["content-type"]}`);
  }
});

test("silence ends at the deadline, and when the caller gives up", async () => {
  answer = () => undefined;
  await assert.rejects(listModels(address, { timeoutMs: 100 }), errors.TimeoutExceededError);
  const giving = new AbortController();
  const call = listModels(address, { signal: giving.signal });
  giving.abort(new Error("enough"));
  await assert.rejects(call, /enough/);
  await assert.rejects(listModels("http://127.0.0.1:1"), errors.UnavailableError);
});

test("addresses, timeouts and tokens that cannot be are refused before anything is sent", async () => {
  answer = () => assert.fail("something was sent");
  const refused = (call: Promise<unknown>) => assert.rejects(call, errors.InvalidInputError);
  await refused(listModels("http://model.example.org"));
  await refused(listModels("nonsense"));
  await refused(listModels(address, { timeoutMs: 0 }));
  await refused(listModels(address, { token: "two\r\nlines" }));
  await refused(connect(address, { model: "tumour", signer: "abc" }));
});

test("traffic counts messages", async () => {
  replies(200, models);
  const transport = new Transport({ url: new URL(address), timeoutMs: 1000 });
  await transport.call(Inference.method.listModels, {}, { doing: "listing" });
  assert.deepEqual(transport.traffic, { sent: 0, received: models.length });
});
