/** Rows encrypted and answers read (protos/SPEC-LEVELLED.md, "A row", "An answer"). */
import type { MessageInitShape } from "@bufbuild/protobuf";
import { InvalidInputError, MalformedMessageError } from "../errors.js";
import type { EncryptedTensor, EncryptedTensorSchema } from "../generated/cryptable/v1/tensor_pb.js";
import { productOf, type Parameters } from "./answers.js";
import { encryptBody } from "./encryption.js";
import { masks, SEED_BYTES } from "./masks.js";
import { pack, packedBytes, rounded, unpack } from "./packing.js";
import { randomBytes } from "./random.js";
import { modulo, N, product, transform } from "./ring.js";
import { reveal, type SecretKey } from "./secret.js";

/** Encrypt a row under one fresh seed. */
export async function encryptRow(
  parameters: Parameters,
  key: SecretKey,
  values: readonly number[],
): Promise<MessageInitShape<typeof EncryptedTensorSchema>> {
  const { inputs, highest } = parameters;
  if (values.length !== inputs || !values.every((value) => Number.isInteger(value) && value >= 0 && value <= highest)) {
    throw new InvalidInputError(`a row of ${values.length} elements, expected ${inputs} integers of 0 .. ${highest}`);
  }
  const messages = parameters.messages(values);
  const seed = randomBytes(SEED_BYTES);
  const mask = await masks(seed, messages.length);
  const polynomials = new Uint8Array(parameters.rowBytes);
  let at = 0;
  messages.forEach(([message, width], i) => {
    const words = encryptBody(key, mask[i]!, message).map((torus) => rounded(torus, width));
    pack(words, width, polynomials.subarray(at, (at += packedBytes(N, width))));
    message.fill(0);
  });
  return { masks: { case: "seed", value: seed }, polynomials };
}

/** Refuse an answer that is not exactly a packed mask and the slots of its body. */
export function checkAnswer(parameters: Parameters, answer: EncryptedTensor): void {
  if (answer.masks.case !== undefined || answer.bodies.length || answer.wordBits) {
    throw new MalformedMessageError("the answer is of another scheme: expected polynomials alone");
  }
  if (answer.polynomials.length !== parameters.answerBytes) {
    throw new MalformedMessageError(
      `an answer of ${answer.polynomials.length} bytes, expected ${parameters.answerBytes}`,
    );
  }
}

/**
 * Integers in 0 … maximum, of any answer of the right form: an honest one's are the model's. Nothing that is done next may
 * depend on whether it was honest.
 */
export function decryptAnswer(parameters: Parameters, key: SecretKey, answer: EncryptedTensor): number[] {
  checkAnswer(parameters, answer);
  const { answerWordBits: width, slotPlaces, outputs, outputsPerPart, moduli, maximum } = parameters;
  const modulus = productOf(moduli);
  const factors = moduli.map((p) => {
    const rest = modulus / BigInt(p);
    return rest * BigInt(inverse(Number(rest % BigInt(p)), p));
  });
  const ends = [packedBytes(N, width), packedBytes(slotPlaces.length, width)];
  const values: number[] = [];
  for (let at = 0; values.length < outputs;) {
    const mask = unpack(answer.polynomials.subarray(at, (at += ends[0]!)), width, N);
    const body = unpack(answer.polynomials.subarray(at, (at += ends[1]!)), width, slotPlaces.length);
    const hidden = product(transform(mask), reveal(key).spectrum); // exact: at most 2^37
    const phases = body.map((word, slot) => modulo(word - hidden[slotPlaces[slot]!]!, 2 ** width));
    hidden.fill(0);
    for (let o = 0; o < outputsPerPart && values.length < outputs; o++) {
      let x = 0n;
      moduli.forEach((p, r) => {
        const phase = phases[r * outputsPerPart + o]!;
        x += BigInt(Math.floor((2 * phase * p + 2 ** width) / 2 ** (width + 1)) % p) * factors[r]!;
      });
      values.push(Math.min(Number(x % modulus), maximum));
    }
  }
  return values;
}

/** Of a number that shares no factor with p. */
function inverse(number: number, p: number): number {
  let x = 1;
  while ((number * x) % p !== 1) x++;
  return x;
}
