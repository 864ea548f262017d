/** LevelledParameters: layout, moduli and words of a model, checked (protos/SPEC-LEVELLED.md, "LevelledParameters"). */
import type { LevelledParameters as Message } from "../generated/cryptable/v1/client_spec_pb.js";
import { strictlyIncreasing } from "../encoding/encoder.js";
import { MAX_LEVELLED_POLYNOMIALS, MAX_VECTOR_SIZE } from "../wire/limits.js";
import { checkResidues, checkSlots, deviationsNeeded, require, wordRounding, type Parameters } from "./answers.js";
import { UNIVERSAL, type Gadget } from "./keyset.js";
import { Layout } from "./layout.js";
import { packedBytes } from "./packing.js";
import { N, type Polynomial } from "./ring.js";

const GADGETS = [
  [2, 8],
  [2, 9],
  [3, 6],
  [3, 7],
  [4, 5],
  [4, 6],
];
const MODULI = [3, 4, 5, 7, 8, 9, 11, 13, 16];
const MAX_MODULI = 8;
export const ROW_WORD_BITS = 36;
export const PLACED_WORD_BITS = 28;
const LEAST_ANSWER_BITS = 12;
const MOST_ANSWER_BITS = 20;

export class LevelledParameters implements Parameters {
  readonly keyset = UNIVERSAL;
  readonly highest = 1;
  readonly inputs: number;
  readonly outputs: number;
  readonly maximum: number;
  readonly moduli: readonly number[];
  readonly gadget: Gadget;
  readonly answerWordBits: number;
  readonly layout: Layout;

  constructor(
    message: Message,
    readonly pError: number,
  ) {
    this.inputs = message.inputs;
    this.outputs = message.outputs;
    this.moduli = message.moduli;
    this.gadget = { levels: message.gadgetLevels, baseLog: message.gadgetBaseLog };
    this.answerWordBits = message.answerWordBits;
    require(message.keyset ===
      UNIVERSAL.number, `keyset ${message.keyset} of a model of bits, expected ${UNIVERSAL.number}; upgrade Cryptable`);
    checkElements(message);
    const { levels, baseLog } = this.gadget;
    require(GADGETS.some(([l, b]) => l === levels && b === baseLog), `a gadget of ${levels} digits of ${baseLog} bits`);
    const shown = this.moduli.slice(0, MAX_MODULI).join(", ");
    require(this.moduli.length >= 1 &&
      this.moduli.length <= MAX_MODULI &&
      this.moduli.every((modulus) =>
        MODULI.includes(modulus),
      ), `moduli ${shown}, expected up to ${MAX_MODULI} of ${MODULI.join(", ")}`);
    checkResidues(this.moduli, message.maximum);
    this.maximum = Number(message.maximum);
    require(this.outputs > 0, "no outputs");
    this.#checkAnswerBits();
    this.layout = new Layout(message.selectors, message.leaves, message.placed, this.gadget, this.slots);
    this.#checkLayout();
  }

  get outputsPerPart(): number {
    return this.outputs;
  }

  /** Coefficients of an answer: output o modulo moduli[r] stands in slot r · outputs + o. */
  get slots(): number {
    return this.outputs * this.moduli.length;
  }

  get slotPlaces(): number[] {
    return Array.from({ length: this.slots }, (_, slot) => slot);
  }

  get rowBytes(): number {
    const { expandedPolynomials, placedPolynomials } = this.layout;
    return expandedPolynomials * packedBytes(N, ROW_WORD_BITS) + placedPolynomials * packedBytes(N, PLACED_WORD_BITS);
  }

  get answerBytes(): number {
    return packedBytes(N, this.answerWordBits) + packedBytes(this.slots, this.answerWordBits);
  }

  messages(bits: ArrayLike<number>): [Polynomial, number][] {
    return this.layout
      .messages(bits)
      .map((message, i) => [message, i < this.layout.expandedPolynomials ? ROW_WORD_BITS : PLACED_WORD_BITS]);
  }

  pinnedFacts(): Record<string, unknown> {
    const { levels, baseLog } = this.gadget;
    return {
      scheme: "levelled",
      keyset: UNIVERSAL.number,
      gadget: [levels, baseLog],
      moduli: [...this.moduli],
      outputs: this.outputs,
      maximum: this.maximum,
      "answer word bits": this.answerWordBits,
      p_error: this.pError,
    };
  }

  #checkLayout(): void {
    const finest = this.layout.finestScale;
    require(finest <= ROW_WORD_BITS, `leaves down to 2^-${finest}, words of a row have ${ROW_WORD_BITS} bits`);
    const polynomials = this.layout.expandedPolynomials + this.layout.placedPolynomials;
    require(polynomials >= 1 &&
      polynomials <=
        MAX_LEVELLED_POLYNOMIALS, `${polynomials} polynomials in a row, expected 1 .. ${MAX_LEVELLED_POLYNOMIALS}`);
  }

  #checkAnswerBits(): void {
    const bits = this.answerWordBits;
    require(bits >= LEAST_ANSWER_BITS &&
      bits <=
        MOST_ANSWER_BITS, `answers in words of ${bits} bits, expected ${LEAST_ANSWER_BITS} .. ${MOST_ANSWER_BITS}`);
    checkSlots(this.slots, bits);
    require(1 / (2 * this.moduli.at(-1)!) >=
      deviationsNeeded(this.slots, this.pError) *
        Math.sqrt(
          wordRounding(bits),
        ), `answers in words of ${bits} bits: rounding alone is misread more often than p_error allows`);
  }
}

function checkElements({ inputs, selectors, leaves, placed }: Message): void {
  require(inputs >= 1 && inputs <= MAX_VECTOR_SIZE, `${inputs} inputs, expected 1 .. ${MAX_VECTOR_SIZE}`);
  for (const [what, elements] of Object.entries({ selectors, leaves, placed })) {
    require(elements.length <= MAX_VECTOR_SIZE, `${elements.length} ${what}`);
    require(elements.every((element) => element < inputs), `${what} beyond the ${inputs} inputs`);
  }
  require(strictlyIncreasing(selectors), "selectors do not strictly increase");
  require(strictlyIncreasing(leaves), "leaves do not strictly increase");
  require(new Set(placed).size === placed.length, "an element is placed twice");
  const selecting = new Set(selectors);
  require(!leaves.some((leaf) => selecting.has(leaf)), "an element is both a selector and a leaf");
  require(selectors.length + leaves.length + placed.length > 0, "no elements");
}
