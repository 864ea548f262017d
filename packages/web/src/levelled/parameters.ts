/** LevelledParameters: layout, moduli and words of a model, checked (protos/SPEC-LEVELLED.md, "LevelledParameters"). */
import type { LevelledParameters as Message } from "../generated/cryptable/v1/client_spec_pb.js";
import { MalformedMessageError } from "../errors.js";
import { strictlyIncreasing } from "../encoding/encoder.js";
import { MAX_LEVELLED_POLYNOMIALS, MAX_VECTOR_SIZE } from "../wire/limits.js";
import { KEYSET, type Gadget } from "./keyset.js";
import { Layout } from "./layout.js";
import { packedBytes } from "./packing.js";
import { N } from "./ring.js";

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
const MAX_SLOTS = 128;
export const ROW_WORD_BITS = 36;
export const PLACED_WORD_BITS = 28;
const LEAST_ANSWER_BITS = 12;
const MOST_ANSWER_BITS = 20;
const SECRET_NORM = (1.02 * 2 * N) / 3; // greatest ‖s‖² of a secret that clients use

export class LevelledParameters {
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
    require(message.keyset === KEYSET, `keyset ${message.keyset} is not known, only ${KEYSET} is; upgrade Cryptable`);
    checkElements(message);
    const { levels, baseLog } = this.gadget;
    require(GADGETS.some(([l, b]) => l === levels && b === baseLog), `a gadget of ${levels} digits of ${baseLog} bits`);
    this.#checkModuli();
    require(message.maximum <
      BigInt(this.modulus), `outputs up to ${message.maximum}, the moduli tell apart ${this.modulus}`);
    this.maximum = Number(message.maximum);
    require(this.outputs > 0 && this.slots <= MAX_SLOTS, `${this.slots} slots, expected 1 .. ${MAX_SLOTS}`);
    this.layout = new Layout(message.selectors, message.leaves, message.placed, this.gadget, this.slots);
    this.#checkLayout();
    this.#checkAnswerBits();
  }

  /** Product of the moduli: they are coprime, so that it is below 2^20. */
  get modulus(): number {
    return this.moduli.reduce((product, modulus) => product * modulus, 1);
  }

  /** Coefficients of an answer: output o modulo moduli[r] stands in slot r · outputs + o. */
  get slots(): number {
    return this.outputs * this.moduli.length;
  }

  get rowBytes(): number {
    const { expandedPolynomials, placedPolynomials } = this.layout;
    return expandedPolynomials * packedBytes(N, ROW_WORD_BITS) + placedPolynomials * packedBytes(N, PLACED_WORD_BITS);
  }

  get answerBytes(): number {
    return packedBytes(N, this.answerWordBits) + packedBytes(this.slots, this.answerWordBits);
  }

  /** What decides over a user's keys and the meaning of an answer. */
  pinnedFacts(): Record<string, unknown> {
    const { levels, baseLog } = this.gadget;
    return {
      scheme: "levelled",
      keyset: KEYSET,
      gadget: [levels, baseLog],
      moduli: [...this.moduli],
      outputs: this.outputs,
      maximum: this.maximum,
      "answer word bits": this.answerWordBits,
      p_error: this.pError,
    };
  }

  #checkModuli(): void {
    const { moduli } = this;
    const shown = moduli.slice(0, MAX_MODULI).join(", ");
    require(moduli.length >= 1 &&
      moduli.length <= MAX_MODULI &&
      moduli.every((modulus) =>
        MODULI.includes(modulus),
      ), `moduli ${shown}, expected up to ${MAX_MODULI} of ${MODULI.join(", ")}`);
    require(strictlyIncreasing(moduli), `moduli ${shown} do not strictly increase`);
    require(moduli.every((one, i) =>
      moduli.slice(0, i).every((other) => greatestCommonDivisor(one, other) === 1),
    ), `moduli ${shown} share a factor`);
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
    const most = mostSlots(bits);
    require(this.slots <=
      most, `${this.slots} slots in words of ${bits} bits, at most ${most}: more would tell too much of what hides them`);
    const deviation = Math.sqrt((1 + SECRET_NORM) / 12) * 2 ** -bits;
    const needed = Math.sqrt(2 * Math.LN2 * (2 + Math.log2(this.slots) - Math.log2(this.pError)));
    require(1 / (2 * this.moduli.at(-1)!) >=
      needed * deviation, `answers in words of ${bits} bits: rounding alone is misread more often than p_error allows`);
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

/** Slots that an answer may have in words of so many bits: what is left unknown of a mask stays on the 128-bit curve. */
function mostSlots(bits: number): number {
  const leastDimension = (bits + Math.log2(12) / 2 + 2.675931372549016) / 0.025696778711484593;
  return Math.min(MAX_SLOTS, Math.floor(((N - leastDimension) * Math.log2(3)) / bits));
}

function greatestCommonDivisor(a: number, b: number): number {
  return b ? greatestCommonDivisor(b, a % b) : a;
}

function require(condition: boolean, message: string): void {
  if (!condition) throw new MalformedMessageError(`levelled parameters: ${message}`);
}
