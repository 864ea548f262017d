/** Where a row's bits stand: leaves in expanded polynomials, places in others (protos/SPEC-LEVELLED.md, "A row"). */
import type { Gadget } from "./keyset.js";
import { GRID_BITS, N, type Polynomial } from "./ring.js";

const LEAF_SCALE = 14; // a leaf that linear forms read holds its bit times 2^-14,
const PLACE_SCALE = 16; // a place 2^-16
const LOG2_N = 11;

/** The leaves of one expanded polynomial: `first` … `first + count - 1`. */
interface Run {
  first: number;
  count: number;
  depth: number;
}

export class Layout {
  readonly #runs: Run[];
  readonly #leafBits: Uint32Array;
  /** Leaf i's coefficient is its bit times 2 to the power of minus this; expansion then doubles it. */
  readonly #scales: Uint8Array;
  readonly #room: number;

  constructor(
    selectors: readonly number[],
    leaves: readonly number[],
    private readonly placed: readonly number[],
    gadget: Gadget,
    private readonly slots: number,
  ) {
    const { levels, baseLog } = gadget;
    const ofSelectors = selectors.length * levels;
    const total = ofSelectors + leaves.length;
    this.#leafBits = Uint32Array.from({ length: total }, (_, i) =>
      i < ofSelectors ? selectors[Math.floor(i / levels)]! : leaves[i - ofSelectors]!,
    );
    this.#runs = Array.from({ length: Math.ceil(total / N) }, (_, r) => {
      const count = Math.min(N, total - r * N);
      return { first: r * N, count, depth: Math.max(1, 32 - Math.clz32(count - 1)) };
    });
    this.#scales = Uint8Array.from({ length: total }, (_, i) => {
      const scale = i < ofSelectors ? baseLog * ((i % levels) + 1) : LEAF_SCALE;
      return scale + doublings(i % N, this.#runs[Math.floor(i / N)]!);
    });
    this.#room = Math.floor(N / slots);
  }

  get expandedPolynomials(): number {
    return this.#runs.length;
  }

  get placedPolynomials(): number {
    return Math.ceil(this.placed.length / this.#room);
  }

  /** The largest of scale and doublings of a leaf: words of a row must have as many bits. */
  get finestScale(): number {
    return this.#scales.reduce((finest, scale) => Math.max(finest, scale), 0);
  }

  /** What a row's polynomials encrypt, the expanded ones first. */
  messages(bits: ArrayLike<number>): Polynomial[] {
    const expanded = this.#runs.map((run) => {
      const message = new Float64Array(N);
      for (let j = 0; j < run.count; j++) {
        message[j * 2 ** (LOG2_N - run.depth)] =
          bits[this.#leafBits[run.first + j]!]! * 2 ** (GRID_BITS - this.#scales[run.first + j]!);
      }
      return message;
    });
    const placed = Array.from({ length: this.placedPolynomials }, () => new Float64Array(N));
    this.placed.forEach((bit, p) => {
      placed[Math.floor(p / this.#room)]![(p % this.#room) * this.slots] = bits[bit]! * 2 ** (GRID_BITS - PLACE_SCALE);
    });
    return [...expanded, ...placed];
  }
}

/** How often expansion doubles leaf j of a run. */
function doublings(j: number, { count, depth }: Run): number {
  let times = 0;
  for (let i = 0; i < depth; i++) times += Number((j % 2 ** i) + 2 ** i < count);
  return times;
}
