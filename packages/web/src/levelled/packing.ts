/** Words of 8 to 52 bits as one string of bits, least significant first (protos/SPEC-LEVELLED.md, "Packing"). */
import { GRID_BITS, modulo } from "./ring.js";

const PIECE_BITS = 16; // of a word at a time, so that all shifts stay within 32 bits
const PIECE = 2 ** PIECE_BITS;

export function packedBytes(count: number, bits: number): number {
  return Math.ceil((count * bits) / 8);
}

/** Pack integers in 0 … 2^bits - 1 into `out`, or new bytes. */
export function pack(
  words: ArrayLike<number>,
  bits: number,
  out = new Uint8Array(packedBytes(words.length, bits)),
): Uint8Array<ArrayBuffer> {
  let held = 0;
  let count = 0;
  let at = 0;
  for (let j = 0; j < words.length; j++) {
    let word = words[j]!;
    for (let left = bits; left > 0; left -= PIECE_BITS) {
      const rest = Math.floor(word / PIECE);
      held |= (word - rest * PIECE) << count;
      count += Math.min(PIECE_BITS, left);
      word = rest;
      for (; count >= 8; count -= 8, held >>>= 8) out[at++] = held;
    }
  }
  if (count) out[at] = held;
  return out;
}

/** The inverse of `pack`, of exactly `packedBytes(count, bits)` bytes; bits beyond the last word are ignored. */
export function unpack(data: Uint8Array, bits: number, count: number): Float64Array<ArrayBuffer> {
  const out = new Float64Array(count);
  let held = 0;
  let have = 0;
  let at = 0;
  for (let j = 0; j < count; j++) {
    let word = 0;
    let scale = 1;
    for (let left = bits; left > 0; left -= PIECE_BITS) {
      const width = Math.min(PIECE_BITS, left);
      for (; have < width; have += 8) held |= data[at++]! << have;
      word += (held & (2 ** width - 1)) * scale;
      scale *= PIECE;
      held >>>= width;
      have -= width;
    }
    out[j] = word;
  }
  return out;
}

/** A torus element as a word of fewer bits, halves upwards. */
export function rounded(torus: number, bits: number): number {
  const step = 2 ** (GRID_BITS - bits);
  return modulo(Math.floor((torus + step / 2) / step), 2 ** bits);
}
