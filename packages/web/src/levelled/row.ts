/** Rows encrypted and answers read (protos/SPEC-LEVELLED.md, "A row", "An answer"). */
import type { MessageInitShape } from "@bufbuild/protobuf";
import { InvalidInputError, MalformedMessageError } from "../errors.js";
import type { EncryptedTensor, EncryptedTensorSchema } from "../generated/cryptable/v1/tensor_pb.js";
import { encryptBody } from "./encryption.js";
import { masks, SEED_BYTES } from "./masks.js";
import { pack, packedBytes, rounded, unpack } from "./packing.js";
import { PLACED_WORD_BITS, ROW_WORD_BITS, type LevelledParameters } from "./parameters.js";
import { randomBytes } from "./random.js";
import { modulo, N, product, transform } from "./ring.js";
import { reveal, type SecretKey } from "./secret.js";

/** Encrypt a row of bits under one fresh seed. */
export async function encryptRow(
  parameters: LevelledParameters,
  key: SecretKey,
  bits: readonly number[],
): Promise<MessageInitShape<typeof EncryptedTensorSchema>> {
  if (bits.length !== parameters.inputs || !bits.every((bit) => bit === 0 || bit === 1)) {
    throw new InvalidInputError(`a row of ${bits.length} elements, expected ${parameters.inputs} bits`);
  }
  const { layout } = parameters;
  const messages = layout.messages(bits);
  const seed = randomBytes(SEED_BYTES);
  const mask = await masks(seed, messages.length);
  const polynomials = new Uint8Array(parameters.rowBytes);
  let at = 0;
  messages.forEach((message, i) => {
    const width = i < layout.expandedPolynomials ? ROW_WORD_BITS : PLACED_WORD_BITS;
    const words = encryptBody(key, mask[i]!, message).map((torus) => rounded(torus, width));
    pack(words, width, polynomials.subarray(at, (at += packedBytes(N, width))));
    message.fill(0);
  });
  return { masks: { case: "seed", value: seed }, polynomials };
}

/** Refuse an answer that is not exactly a packed mask and the slots of its body. */
export function checkAnswer(parameters: LevelledParameters, answer: EncryptedTensor): void {
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
export function decryptAnswer(parameters: LevelledParameters, key: SecretKey, answer: EncryptedTensor): number[] {
  checkAnswer(parameters, answer);
  const { answerWordBits: width, slots, outputs, moduli, modulus, maximum } = parameters;
  const at = packedBytes(N, width);
  const mask = unpack(answer.polynomials.subarray(0, at), width, N);
  const body = unpack(answer.polynomials.subarray(at), width, slots);
  const hidden = product(transform(mask), reveal(key).spectrum); // exact: below 2^31
  const phases = body.map((word, slot) => modulo(word - hidden[slot]!, 2 ** width));
  hidden.fill(0);
  return Array.from({ length: outputs }, (_, o) => {
    let x = 0;
    moduli.forEach((p, r) => {
      const phase = phases[r * outputs + o]!;
      const residue = Math.floor((2 * phase * p + 2 ** width) / 2 ** (width + 1)) % p;
      x += residue * (modulus / p) * inverse((modulus / p) % p, p);
    });
    return Math.min(x % modulus, maximum);
  });
}

/** Of a number that shares no factor with p. */
function inverse(number: number, p: number): number {
  let x = 1;
  while ((number * x) % p !== 1) x++;
  return x;
}
