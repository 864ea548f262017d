/** Keysets: the universal one, for every model of bits, and a public pair alone (protos/SPEC-LEVELLED.md, "Keyset"). */
import { SEED_BYTES } from "./masks.js";
import { packedBytes } from "./packing.js";
import { GRID_BITS, N } from "./ring.js";

/** Digits of a decomposition, and bits of each. */
export interface Gadget {
  readonly levels: number;
  readonly baseLog: number;
}

const gadget = (levels: number, baseLog: number): Gadget => ({ levels, baseLog });
const times = (count: number, each: Gadget): Gadget[] => Array.from({ length: count }, () => each);

/** Of the keys for the automorphisms X → X^(N/2^i + 1), i = 0 … 10. */
export const AUTOMORPHISMS: readonly Gadget[] = [
  ...times(4, gadget(7, 6)),
  ...times(2, gadget(6, 7)),
  ...times(2, gadget(5, 8)),
  ...times(3, gadget(4, 10)),
];
export const SWITCH = gadget(3, 13);

export const BODY_BYTES = packedBytes(N, GRID_BITS);

/** Of which numbers, and how large: `rows` are the ciphertexts in the evaluation keys, the public pair's among them. */
export class Keyset {
  constructor(
    readonly number: number,
    readonly rows: number,
  ) {}

  get evaluationKeysBytes(): number {
    return SEED_BYTES + this.rows * BODY_BYTES;
  }

  /** What stores know the keyset by. */
  async name(): Promise<Uint8Array<ArrayBuffer>> {
    const name = new TextEncoder().encode(`cryptable levelled keyset ${this.number}`);
    return new Uint8Array(await crypto.subtle.digest("SHA-256", name));
  }
}

export const UNIVERSAL = new Keyset(1, AUTOMORPHISMS.reduce((sum, { levels }) => sum + levels, 0) + SWITCH.levels + 1);
/** Of linear models, whose answers need nothing but what hides them. */
export const PUBLIC_PAIR = new Keyset(2, 1);
