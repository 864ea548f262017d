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
  /** An expanded leaf is its bit times 2 to the power of minus this, */
  readonly #expandedScales: Uint8Array;
  /** and before, by what expansion doubles it less. */
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
    this.#runs = Array.from({ length: Math.ceil(total / N) }, (_, r) => runOf(r * N, Math.min(N, total - r * N)));
    this.#expandedScales = Uint8Array.from({ length: total }, (_, i) =>
      i < ofSelectors ? baseLog * ((i % levels) + 1) : LEAF_SCALE,
    );
    this.#scales = this.#expandedScales.map((scale, i) => scale + doublings(i % N, this.#runs[Math.floor(i / N)]!));
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

  get leaves(): number {
    return this.#leafBits.length;
  }

  /** What the one polynomial of several rows encrypts, whose leaves stand one row's after the other's. */
  together(rows: readonly ArrayLike<number>[]): Polynomial {
    const { leaves } = this;
    const run = runOf(0, rows.length * leaves);
    const message = new Float64Array(N);
    for (let j = 0; j < run.count; j++) {
      const scale = this.#expandedScales[j % leaves]! + doublings(j, run);
      const bit = rows[Math.floor(j / leaves)]![this.#leafBits[j % leaves]!]!;
      message[j * 2 ** (LOG2_N - run.depth)] = bit * 2 ** (GRID_BITS - scale);
    }
    return message;
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

function runOf(first: number, count: number): Run {
  return { first, count, depth: Math.max(1, 32 - Math.clz32(count - 1)) };
}

/** How often expansion doubles leaf j of a run. */
function doublings(j: number, { count, depth }: Run): number {
  let times = 0;
  for (let i = 0; i < depth; i++) times += Number((j % 2 ** i) + 2 ** i < count);
  return times;
}
