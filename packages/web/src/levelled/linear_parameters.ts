/** LinearParameters: of models that are linear in integers, which travel as residues (SPEC-LEVELLED.md, "Linear models"). */
import type { LevelledParameters as Message } from "../generated/cryptable/v1/client_spec_pb.js";
import { MAX_LEVELLED_POLYNOMIALS, MAX_VECTOR_SIZE } from "../wire/limits.js";
import {
  checkResidues,
  checkSlots,
  deviationsNeeded,
  require,
  SECRET_NORM,
  wordRounding,
  type Parameters,
} from "./answers.js";
import { PUBLIC_PAIR } from "./keyset.js";
import { packedBytes } from "./packing.js";
import { DEVIATION } from "./random.js";
import { GRID, GRID_BITS, N, type Polynomial } from "./ring.js";

/** For each number of moduli, the windows of a polynomial, and for each modulus those of its slots and of its inputs. */
const WINDOWS = [1, 3, 7, 9, 13, 18];
const SLOTS = [[0], [0, 1], [0, 1, 3], [0, 1, 3, 4], [0, 1, 2, 6, 9], [0, 1, 3, 9, 13, 16]];
const INPUTS = [[0], [0, 2], [0, 2, 6], [0, 2, 6, 8], [0, 4, 8, 11, 10], [0, 2, 6, 5, 7, 11]];
const MOST_PRODUCTS = 4096;
const MOST_TOLD = 2 ** -22; // nats of any one weight that an answer may tell
const FRESH = (DEVIATION ** 2 + 1 / 12) / GRID ** 2; // variance of noise, rounded to the grid

export class LinearParameters implements Parameters {
  readonly keyset = PUBLIC_PAIR;
  readonly inputs: number;
  readonly highest: number;
  readonly outputs: number;
  readonly outputsPerPart: number;
  readonly moduli: readonly number[];
  readonly maximum: number;
  readonly answerWordBits: number;
  readonly slotPlaces: readonly number[];
  readonly rowBytes: number;
  readonly answerBytes: number;
  readonly #wordBits: number;
  /** Of each modulus: where its slots start, and how far apart they are; the same of its inputs. */
  readonly #places: readonly { slots: [number, number]; inputs: [number, number] }[];
  /** Inputs that a polynomial has room for. */
  readonly #run: number;
  readonly #polynomials: number;
  readonly #interleaved: boolean;

  constructor(
    { linear, keyset, inputs, moduli, outputs, maximum, answerWordBits, ...rest }: Message,
    readonly pError: number,
  ) {
    const { inputBits, wordBits, outputsPerPart, interleaved } = linear!;
    require(keyset === PUBLIC_PAIR.number, `keyset ${keyset} of a linear model, expected ${PUBLIC_PAIR.number}`);
    const { selectors, leaves, placed, gadgetLevels, gadgetBaseLog } = rest;
    require(!(
      selectors.length +
      leaves.length +
      placed.length +
      gadgetLevels +
      gadgetBaseLog
    ), "a linear model with selectors, leaves, places or a gadget");
    within("inputs", inputs, 1, MAX_VECTOR_SIZE);
    within("bits of integers", inputBits, 1, 30);
    within("bits of a row's words", wordBits, 24, 51);
    within("bits of an answer's words", answerWordBits, 12, 26);
    within("moduli", moduli.length, 1, WINDOWS.length);
    for (const modulus of moduli) within("as a modulus", modulus, 3, 1 << 17);
    checkResidues(moduli, maximum);
    within("outputs", outputs, 1, MAX_VECTOR_SIZE);
    within("outputs in a part", outputsPerPart, 1, outputs);
    const slots = outputsPerPart * moduli.length;
    checkSlots(slots, answerWordBits);
    require(!interleaved || moduli.length === 3, `${moduli.length} moduli interleaved, expected 3`);
    const windows = WINDOWS[moduli.length - 1]!;
    const window = Math.floor(N / windows);
    // What is left over at the ring's end is a gap once around it.
    this.#run = interleaved
      ? Math.floor((N + 1 - outputsPerPart) / (6 * outputsPerPart + 1))
      : Math.floor((window - (N % windows)) / outputsPerPart);
    require(this.#run > 0, `${outputsPerPart} outputs leave no room for an input`);
    this.#polynomials = Math.ceil(inputs / this.#run);
    within("polynomials in a row", this.#polynomials, 1, MAX_LEVELLED_POLYNOMIALS);
    const parts = Math.ceil(outputs / outputsPerPart);
    within("products", parts * this.#polynomials, 1, MOST_PRODUCTS);

    this.inputs = inputs;
    this.highest = 2 ** inputBits - 1;
    this.outputs = outputs;
    this.outputsPerPart = outputsPerPart;
    this.moduli = moduli;
    this.maximum = Number(maximum);
    this.answerWordBits = answerWordBits;
    this.#wordBits = wordBits;
    this.#interleaved = interleaved;
    const run = this.#run;
    const full = run * outputsPerPart;
    const more = run + outputsPerPart - 1;
    this.#places = interleaved
      ? [
          { slots: [0, run], inputs: [0, 1] },
          { slots: [5 * full + more, run], inputs: [3 * full + more, 1] },
          { slots: [3 * full, 1], inputs: [full + more, outputsPerPart] },
        ]
      : moduli.map((_, r) => ({
          slots: [SLOTS[moduli.length - 1]![r]! * window, run],
          inputs: [INPUTS[moduli.length - 1]![r]! * window, 1],
        }));
    this.slotPlaces = this.#places.flatMap(({ slots: [first, apart] }) =>
      Array.from({ length: outputsPerPart }, (_, o) => first + o * apart),
    );
    this.rowBytes = this.#polynomials * packedBytes(N, wordBits);
    this.answerBytes = parts * (packedBytes(N, answerWordBits) + packedBytes(slots, answerWordBits));
    this.#checkNoise(parts * slots);
  }

  messages(values: ArrayLike<number>): [Polynomial, number][] {
    const polynomials = Array.from({ length: this.#polynomials }, () => new Float64Array(N));
    this.moduli.forEach((modulus, r) => {
      const [first, apart] = this.#places[r]!.inputs;
      for (let i = 0; i < this.inputs; i++) {
        polynomials[Math.floor(i / this.#run)]![first + (i % this.#run) * apart] = onTorus(values[i]!, modulus);
      }
    });
    return polynomials.map((polynomial) => [polynomial, this.#wordBits]);
  }

  pinnedFacts(): Record<string, unknown> {
    return {
      ...(this.#interleaved ? { interleaved: true } : {}),
      scheme: "levelled",
      keyset: PUBLIC_PAIR.number,
      "row word bits": this.#wordBits,
      moduli: [...this.moduli],
      outputs: this.outputs,
      "outputs in a part": this.outputsPerPart,
      maximum: this.maximum,
      "answer word bits": this.answerWordBits,
      p_error: this.pError,
    };
  }

  /** That the noise which hides weights can be as large as it has to be, and answers are read all the same. */
  #checkNoise(slots: number): void {
    const uploaded = FRESH + 4 ** -this.#wordBits / 12;
    const square = this.moduli.reduce((sum, modulus) => sum + modulus ** 2 / 4, 0);
    const needed = deviationsNeeded(slots, this.pError);
    const other =
      this.inputs * this.outputsPerPart * square * uploaded +
      wordRounding(this.answerWordBits) +
      (1 + N + SECRET_NORM) * FRESH;
    let told = 0;
    for (const modulus of this.moduli) {
      const tolerance = 1 / (2 * modulus) - (this.inputs * modulus) / 2 ** (GRID_BITS + 2);
      const flood = (tolerance / needed) ** 2 - other;
      require(tolerance > 0 && flood > 0, "noise: an answer is misread more often than p_error allows");
      told += (this.outputsPerPart * square * uploaded) / (2 * flood);
    }
    require(told <= MOST_TOLD, `noise: an answer tells 2^${Math.log2(told).toFixed(1)} nats of a weight, too much`);
  }
}

/** The torus element nearest to (value mod modulus) / modulus, halves upwards. */
function onTorus(value: number, modulus: number): number {
  const residue = value % modulus;
  const rest = GRID % modulus;
  const whole = (GRID - rest) / modulus;
  return residue * whole + Math.floor((residue * rest + Math.floor(modulus / 2)) / modulus);
}

function within(what: string, found: number, least: number, most: number): void {
  require(found >= least && found <= most, `${found} ${what}, expected ${least} .. ${most}`);
}
