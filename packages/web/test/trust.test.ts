/** Signatures and pins: who signed a model, and that it is what it was at its first use. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { create } from "@bufbuild/protobuf";
import { PinChangedError, SignatureError } from "../src/errors.js";
import { GetModelResponseSchema, type GetModelResponse } from "../src/generated/cryptable/v1/inference_pb.js";
import { MemoryKeyStore } from "../src/keys/memory.js";
import { readClientSpec } from "../src/model/client_spec.js";
import { checkTrust, type Trust } from "../src/server/trust.js";
import { bytes, toHex } from "./vectors.js";

const data = bytes("accept", { file: "client_spec.levelled.bin", type: "client_spec" });
const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", data));
const about = { server: "https://model.example.org", spec: readClientSpec(data), digest };
const artifactDigest = new Uint8Array(32).fill(7);
const unsigned = create(GetModelResponseSchema, { artifactDigest });

async function signed(): Promise<{ response: GetModelResponse; signer: string }> {
  const pair = (await crypto.subtle.generateKey("Ed25519", false, ["sign", "verify"])) as CryptoKeyPair;
  const publicKey = new Uint8Array(await crypto.subtle.exportKey("raw", pair.publicKey));
  const context = new TextEncoder().encode("cryptable.v1 model signature\0");
  const vouched = new Uint8Array([...context, ...digest, ...artifactDigest]);
  const signature = new Uint8Array(await crypto.subtle.sign("Ed25519", pair.privateKey, vouched));
  const response = create(GetModelResponseSchema, { artifactDigest, signature: { publicKey, signature } });
  return { response, signer: toHex(publicKey) };
}

function trust(changes: Partial<Trust> = {}): Trust {
  return { signer: undefined, pins: undefined, acceptChanges: false, ...changes };
}

test("a signer that is asked for must have signed, whatever the case of its digits", async () => {
  const { response, signer } = await signed();
  await checkTrust(trust({ signer: signer.toUpperCase() }), about, response);
  await assert.rejects(checkTrust(trust({ signer: "0".repeat(64) }), about, response), SignatureError);
  await assert.rejects(checkTrust(trust({ signer }), about, unsigned), /by nobody/);
});

test("a wrong signature is refused, whether one was asked for or not", async () => {
  const { response } = await signed();
  response.signature!.signature[3]! ^= 1;
  await assert.rejects(checkTrust(trust(), about, response), SignatureError);
  response.signature!.signature = new Uint8Array(63);
  await assert.rejects(checkTrust(trust(), about, response), SignatureError);
});

test("signer and parameters are those of the first use, unless a change is accepted", async () => {
  const pins = new MemoryKeyStore();
  const { response } = await signed();
  await checkTrust(trust({ pins }), about, response);
  await checkTrust(trust({ pins }), about, response);
  await assert.rejects(checkTrust(trust({ pins }), about, unsigned), PinChangedError);
  await checkTrust(trust({ pins }), { ...about, server: "https://other.example.org" }, unsigned);
  await checkTrust(trust({ pins, acceptChanges: true }), about, unsigned);
  await checkTrust(trust({ pins }), about, unsigned);
  const pinned = (await pins.pin(`${about.server} ${about.spec.modelName}`))!;
  assert.ok(pinned);
  await pins.setPin(`${about.server} ${about.spec.modelName}`, { ...pinned, moduli: [3, 5] });
  await assert.rejects(checkTrust(trust({ pins }), about, unsigned), /moduli was 3,5/);
});

test("of two first uses at once, the second sees what the first remembered", async () => {
  const pins = new MemoryKeyStore();
  const { response } = await signed();
  const both = await Promise.allSettled([
    checkTrust(trust({ pins }), about, response),
    checkTrust(trust({ pins }), about, unsigned),
  ]);
  assert.equal(both.filter(({ status }) => status === "fulfilled").length, 1);
});
