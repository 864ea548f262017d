/** Evaluation keys: a keyset's rows and the public pair (protos/SPEC-LEVELLED.md, "Evaluation keys"). */
import { encryptBody } from "./encryption.js";
import { AUTOMORPHISMS, BODY_BYTES, PUBLIC_PAIR, SWITCH, type Gadget, type Keyset } from "./keyset.js";
import { masks, publicPairMask, SEED_BYTES } from "./masks.js";
import { pack } from "./packing.js";
import { randomBytes } from "./random.js";
import { automorphism, GRID, GRID_BITS, modulo, N, product, type Polynomial } from "./ring.js";
import { reveal, type SecretKey } from "./secret.js";

/**
 * New evaluation keys, which are public, under a seed that no other call drew: a seed stands for one byte string, ever, so
 * these bytes are what an upload goes on with, and no others.
 */
export async function evaluationKeys(key: SecretKey, keyset: Keyset): Promise<Uint8Array<ArrayBuffer>> {
  const seed = randomBytes(SEED_BYTES);
  const encrypted = messages(key, keyset);
  const mask = [...(await masks(seed, encrypted.length - 1)), await publicPairMask(seed)];
  const out = new Uint8Array(keyset.evaluationKeysBytes);
  out.set(seed);
  encrypted.forEach((message, i) => {
    const at = SEED_BYTES + i * BODY_BYTES;
    pack(encryptBody(key, mask[i]!, message), GRID_BITS, out.subarray(at, at + BODY_BYTES));
    message.fill(0);
  });
  return out;
}

/** What the rows encrypt, the public pair's zero last. */
export function messages(key: SecretKey, keyset: Keyset): Polynomial[] {
  if (keyset === PUBLIC_PAIR) return [new Float64Array(N)];
  const { coefficients, spectrum } = reveal(key);
  return [
    ...AUTOMORPHISMS.flatMap((gadget, i) => scaled(automorphism(coefficients, N / 2 ** i + 1), gadget)),
    ...scaled(product(spectrum, spectrum), SWITCH),
    new Float64Array(N),
  ];
}

/** The polynomial, which is overwritten, times 2^-b, 2^-2b, … of the torus. */
function scaled(polynomial: Polynomial, { levels, baseLog }: Gadget): Polynomial[] {
  const made = Array.from({ length: levels }, (_, i) =>
    polynomial.map((coefficient) => modulo(coefficient * 2 ** (GRID_BITS - baseLog * (i + 1)), GRID)),
  );
  polynomial.fill(0);
  return made;
}
