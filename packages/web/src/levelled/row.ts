/** Rows encrypted and answers read (protos/SPEC-LEVELLED.md, "A row", "An answer"). */
import type { MessageInitShape } from "@bufbuild/protobuf";
import { InvalidInputError, MalformedMessageError } from "../errors.js";
import type { EncryptedTensor, EncryptedTensorSchema } from "../generated/cryptable/v1/tensor_pb.js";
import { productOf, type Parameters } from "./answers.js";
import { encryptBody } from "./encryption.js";
import { masks, SEED_BYTES } from "./masks.js";
import { pack, packedBytes, rounded, unpack } from "./packing.js";
import { randomBytes } from "./random.js";
import { ROW_WORD_BITS } from "./parameters.js";
import { modulo, N, product, transform, type Polynomial } from "./ring.js";
import { reveal, type SecretKey } from "./secret.js";
import type { Batch } from "./together.js";

type Sent = MessageInitShape<typeof EncryptedTensorSchema>;

/** Encrypt a row under one fresh seed. */
export async function encryptRow(parameters: Parameters, key: SecretKey, values: readonly number[]): Promise<Sent> {
  checkValues(parameters, values);
  return encrypted(key, parameters.messages(values), parameters.rowBytes);
}

/** Encrypt several rows in one polynomial, under one fresh seed. */
export async function encryptTogether(
  batch: Batch,
  key: SecretKey,
  rows: readonly (readonly number[])[],
): Promise<Sent> {
  for (const values of rows) checkValues(batch.row, values);
  const sent = await encrypted(key, [[batch.row.layout.together(rows), ROW_WORD_BITS]], batch.rowBytes);
  return { ...sent, rows: rows.length, rowsPerAnswer: batch.rowsPerAnswer };
}

function checkValues({ inputs, highest }: Parameters, values: readonly number[]): void {
  if (values.length !== inputs || !values.every((value) => Number.isInteger(value) && value >= 0 && value <= highest)) {
    throw new InvalidInputError(`a row of ${values.length} elements, expected ${inputs} integers of 0 .. ${highest}`);
  }
}

async function encrypted(key: SecretKey, messages: [Polynomial, number][], size: number): Promise<Sent> {
  const seed = randomBytes(SEED_BYTES);
  const mask = await masks(seed, messages.length);
  const polynomials = new Uint8Array(size);
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
  checkForm(answer, { size: parameters.answerBytes, rows: 0, rowsPerAnswer: 0 });
}

function checkForm(answer: EncryptedTensor, expected: { size: number; rows: number; rowsPerAnswer: number }): void {
  if (answer.masks.case !== undefined || answer.bodies.length || answer.wordBits) {
    throw new MalformedMessageError("the answer is of another scheme: expected polynomials alone");
  }
  for (const what of ["rows", "rowsPerAnswer"] as const) {
    if (answer[what] !== expected[what]) {
      throw new MalformedMessageError(`an answer of ${what} ${answer[what]}, expected ${expected[what]}`);
    }
  }
  if (answer.polynomials.length !== expected.size) {
    throw new MalformedMessageError(`an answer of ${answer.polynomials.length} bytes, expected ${expected.size}`);
  }
}

/**
 * Integers in 0 … maximum, of any answer of the right form: an honest one's are the model's. Nothing that is done next may
 * depend on whether it was honest.
 */
export function decryptAnswer(parameters: Parameters, key: SecretKey, answer: EncryptedTensor): number[] {
  checkAnswer(parameters, answer);
  const { slotPlaces, outputs, outputsPerPart, answerWordBits: width } = parameters;
  const size = packedBytes(N, width) + packedBytes(slotPlaces.length, width);
  const values: number[] = [];
  for (let at = 0; values.length < outputs; at += size) {
    const phases = phasesOf(answer.polynomials.subarray(at, at + size), key, width, slotPlaces);
    values.push(...valuesOf(parameters, phases, Math.min(outputsPerPart, outputs - values.length)));
  }
  return values;
}

/** The same of several rows that were sent together, row by row. */
export function decryptTogether(batch: Batch, key: SecretKey, answer: EncryptedTensor, rows: number): number[][] {
  const { row, rowsPerAnswer } = batch;
  checkForm(answer, { size: batch.answerBytes(rows), rows, rowsPerAnswer });
  let at = 0;
  return batch.rowsByAnswer(rows).flatMap((own) => {
    const places = Array.from({ length: own * row.slots }, (_, slot) => slot);
    const data = answer.polynomials.subarray(at, (at += batch.bytesOfAnswer(own)));
    const phases = phasesOf(data, key, row.answerWordBits, places);
    return Array.from({ length: own }, (_, i) =>
      valuesOf(row, phases.slice(i * row.slots, (i + 1) * row.slots), row.outputs),
    );
  });
}

/** Of one ciphertext, whose body has these coefficients. */
function phasesOf(data: Uint8Array, key: SecretKey, width: number, places: readonly number[]): number[] {
  const end = packedBytes(N, width);
  const mask = unpack(data.subarray(0, end), width, N);
  const body = unpack(data.subarray(end), width, places.length);
  const hidden = product(transform(mask), reveal(key).spectrum); // exact: at most 2^37
  const phases = Array.from(body, (word, slot) => modulo(word - hidden[places[slot]!]!, 2 ** width));
  hidden.fill(0);
  return phases;
}

/** The first outputs of a part, from the phases of its slots. */
function valuesOf(parameters: Parameters, phases: readonly number[], count: number): number[] {
  const { answerWordBits: width, outputsPerPart, moduli, maximum } = parameters;
  const modulus = productOf(moduli);
  const factors = moduli.map((p) => {
    const rest = modulus / BigInt(p);
    return rest * BigInt(inverse(Number(rest % BigInt(p)), p));
  });
  return Array.from({ length: count }, (_, o) => {
    let x = 0n;
    moduli.forEach((p, r) => {
      const phase = phases[r * outputsPerPart + o]!;
      x += BigInt(Math.floor((2 * phase * p + 2 ** width) / 2 ** (width + 1)) % p) * factors[r]!;
    });
    return Math.min(Number(x % modulus), maximum);
  });
}

/** Of a number that shares no factor with p. */
function inverse(number: number, p: number): number {
  let x = 1;
  while ((number * x) % p !== 1) x++;
  return x;
}
