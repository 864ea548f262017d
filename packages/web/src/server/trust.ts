/** Trust on first use: who signed a model, and its security-relevant parameters, are remembered and compared. */
import { InvalidInputError, PinChangedError, SignatureError } from "../errors.js";
import type { GetModelResponse } from "../generated/cryptable/v1/inference_pb.js";
import type { Facts, KeyStore } from "../keys/store.js";
import type { ClientSpec } from "../model/client_spec.js";

const CONTEXT = new TextEncoder().encode("cryptable.v1 model signature\0");
const DIGEST_BYTES = 32;
const PUBLIC_KEY_BYTES = 32;
const SIGNATURE_BYTES = 64;

export interface Trust {
  /** Ed25519 public key that must have signed the model, in hexadecimal; undefined for whoever did at first use. */
  signer: string | undefined;
  /** Where it is remembered; undefined: nowhere. */
  pins: KeyStore | undefined;
  /** Remember what comes, whatever was remembered. */
  acceptChanges: boolean;
}

export function checkSigner(signer: string | undefined): void {
  if (signer !== undefined && !/^[0-9a-fA-F]{64}$/.test(signer)) {
    throw new InvalidInputError(`signer is ${JSON.stringify(signer.slice(0, 80))}, expected 64 hexadecimal digits`);
  }
}

/** Check who signed a model, and that this and its parameters are what was pinned; pin them at first use. */
export async function checkTrust(
  trust: Trust,
  { server, spec, digest }: { server: string; spec: ClientSpec; digest: Uint8Array<ArrayBuffer> },
  response: GetModelResponse,
): Promise<void> {
  const model = JSON.stringify(spec.modelName);
  const signer = await signerOf(model, digest, response);
  if (trust.signer !== undefined && signer !== trust.signer.toLowerCase()) {
    const by = signer === null ? "nobody" : `key ${signer}`;
    throw new SignatureError(`model ${model} is signed by ${by}, expected key ${trust.signer.toLowerCase()}`);
  }
  const { pins } = trust;
  if (!pins) return;
  const name = `${server} ${spec.modelName}`;
  const facts: Facts = { signer, ...spec.parameters.pinnedFacts() };
  // In turn: of two tabs at a first use, the second must see what the first remembered.
  await pins.exclusively(`pin ${name}`, async () => {
    const pinned = await pins.pin(name);
    if (pinned && !trust.acceptChanges) refuseChanges(model, server, pinned, facts);
    await pins.setPin(name, trust.acceptChanges ? facts : { ...pinned, ...facts });
  });
}

function refuseChanges(model: string, server: string, pinned: Facts, facts: Facts): void {
  const changed = Object.keys(facts).filter(
    (fact) => fact in pinned && JSON.stringify(pinned[fact]) !== JSON.stringify(facts[fact]),
  );
  if (!changed.length) return;
  const details = changed.map((fact) => `${fact} was ${pinned[fact]}, is ${facts[fact]}`).join("; ");
  throw new PinChangedError(
    `model ${model} at ${server} is not what it was at its first use: ${details}`,
    "where the model's developer says that this is meant, accept it with acceptChanges: true; else somebody may have put another model in its place",
  );
}

/** The public key that signed a model, in hexadecimal; null where nobody did. */
async function signerOf(model: string, spec: Uint8Array, response: GetModelResponse): Promise<string | null> {
  const { signature, artifactDigest } = response;
  if (!signature) return null;
  const { publicKey, signature: signed } = signature;
  const wrong = (why: string, cause?: unknown) =>
    new SignatureError(`model ${model}: ${why}`, "do not use it", { cause });
  if (
    publicKey.length !== PUBLIC_KEY_BYTES ||
    signed.length !== SIGNATURE_BYTES ||
    artifactDigest.length !== DIGEST_BYTES
  ) {
    throw wrong("its signature is none");
  }
  const vouched = new Uint8Array([...CONTEXT, ...spec, ...artifactDigest]);
  let holds: boolean;
  try {
    const key = await crypto.subtle.importKey("raw", new Uint8Array(publicKey), "Ed25519", false, ["verify"]);
    holds = await crypto.subtle.verify("Ed25519", key, new Uint8Array(signed), vouched);
  } catch (cause) {
    throw wrong("its signature cannot be verified here: the browser must know Ed25519", cause);
  }
  if (!holds) throw wrong("its signature is not that of the key that it names over this model");
  return Array.from(publicKey, (byte) => byte.toString(16).padStart(2, "0")).join("");
}
