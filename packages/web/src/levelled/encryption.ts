/** Bodies of ciphertexts under given masks, with fresh noise: what keys and rows are made of. */
import { gaussian } from "./random.js";
import { GRID, modulo, torusTimes, type Polynomial } from "./ring.js";
import { reveal, type SecretKey } from "./secret.js";

/** a · s + message + noise modulo 2^52. */
export function encryptBody(key: SecretKey, mask: Polynomial, message: Polynomial): Polynomial {
  const body = torusTimes(mask, reveal(key).spectrum);
  const noise = gaussian();
  for (let j = 0; j < body.length; j++) body[j] = modulo(body[j]! + message[j]! + noise[j]!, GRID);
  noise.fill(0);
  return body;
}
