/** Masks: AES-128 in counter mode, of each word the upper 52 bits (protos/SPEC-LEVELLED.md, "Mask stream"). */
import { N, type Polynomial } from "./ring.js";

export const SEED_BYTES = 16;
const WORD_BYTES = 8;

/** Torus elements of the first `count` polynomials of a seed. */
export async function masks(seed: Uint8Array<ArrayBuffer>, count: number): Promise<Polynomial[]> {
  const key = await crypto.subtle.importKey("raw", seed, "AES-CTR", false, ["encrypt"]);
  const counter = { name: "AES-CTR", counter: new Uint8Array(16), length: 64 };
  const stream = await crypto.subtle.encrypt(counter, key, new Uint8Array(count * N * WORD_BYTES));
  const words = new Uint32Array(stream); // little endian, as every platform that has a browser
  return Array.from({ length: count }, (_, i) => {
    const polynomial = new Float64Array(N);
    for (let j = 0, at = 2 * i * N; j < N; j++, at += 2) polynomial[j] = words[at + 1]! * 2 ** 20 + (words[at]! >>> 12);
    return polynomial;
  });
}

/** Mask of the public pair: of a stream whose key no client can choose. */
export async function publicPairMask(seed: Uint8Array<ArrayBuffer>): Promise<Polynomial> {
  const domain = new TextEncoder().encode("cryptable levelled public pair\0");
  const hashed = new Uint8Array(domain.length + seed.length);
  hashed.set(domain);
  hashed.set(seed, domain.length);
  const key = new Uint8Array(await crypto.subtle.digest("SHA-256", hashed)).slice(0, SEED_BYTES);
  return (await masks(key, 1))[0]!;
}
