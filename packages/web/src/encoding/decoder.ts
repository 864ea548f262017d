/** From decrypted integers to scores, probabilities and labels (protos/SPEC.md, "Decoder"). */
import type { Decoder as Message } from "../generated/cryptable/v1/client_spec_pb.js";
import { InvalidInputError, MalformedMessageError } from "../errors.js";
import { MAX_FURTHER_BITS, MAX_VECTOR_SIZE } from "../wire/limits.js";
import { checkName } from "../wire/names.js";
import { checkCurve, heightAt } from "./curve.js";
import { exponential } from "./exponential.js";
import {
  labelsOfPairs,
  Link,
  OF_PAIRS,
  PROBABILITIES,
  probabilitiesOf,
  REGRESSIONS,
  sigmoid,
  votesOfPairs,
} from "./links.js";
import { checkMembers, combined } from "./members.js";

const MOST_OFFSET = 2n ** 62n;

export type Label = bigint | string | boolean | number;

/** What a model says of one row. */
export interface Prediction {
  /** The label, or of a regression the number, or one a score where there are several. */
  value: Label | number[];
  scores: number[];
  /** One a label, in the order of `labels`; undefined where the model makes none. */
  probabilities?: number[];
  /** For each score, what each of `contributions` adds to it; undefined where the model tells none. */
  contributions?: number[][];
}

export class Decoder {
  /** Class labels in the order of the model's classes; undefined of a regression. */
  readonly labels: readonly Label[] | undefined;
  /** Scores of the model. */
  readonly outputs: number;
  readonly furtherBits: number;

  constructor(private readonly message: Message) {
    const { base, members, labels } = message;
    this.labels = labels.case === undefined ? undefined : labels.value.values;
    this.furtherBits = message.furtherBits;
    const isOfPairs = OF_PAIRS.includes(message.link);
    this.outputs = isOfPairs ? labelsOfPairs(base.length) : members.length ? members[0]!.scores : base.length;
    if (!(message.link in Link) || message.link === Link.LINK_UNSPECIFIED) throw fault(`unknown link ${message.link}`);
    this.#checkScores();
    if (isOfPairs && !this.outputs) throw fault(`${base.length} scores, expected one a pair of three labels or more`);
    if (message.column && this.outputs > 1 && REGRESSIONS.includes(message.link)) {
      throw fault(`a column of predictions that are ${this.outputs} numbers a row`);
    }
    if (members.length) checkMembers(members, message.link, base.length, message.median);
    else if (message.median) throw fault("a median without members");
    this.#checkCurve();
    this.#checkContributions();
    this.#checkLabels();
  }

  /** Integers of an answer. */
  get values(): number {
    return this.message.offset.length;
  }

  /** Names of what each score is a sum of; empty where the model does not tell. */
  get contributions(): readonly string[] {
    return this.message.contributions;
  }

  /** Of each score, what its contributions are added to; without contributions, what is outside the circuit. */
  get baseValues(): number[] {
    const { base, contributionBase, step } = this.message;
    return base.map((each, s) => each + Number(contributionBase[s] ?? 0n) * step);
  }

  get hasProbabilities(): boolean {
    return PROBABILITIES.includes(this.message.link);
  }

  decode(values: readonly number[]): Prediction {
    const { link, contributions } = this.message;
    const scores = this.scores(values);
    return {
      value: this.#value(scores),
      scores,
      ...(this.hasProbabilities && { probabilities: probabilitiesOf(link, scores) }),
      // That they add up is not looked at: a server that cheats would learn by what an error leads to.
      ...(contributions.length && { contributions: this.#contributions(values) }),
    };
  }

  scores(values: readonly number[]): number[] {
    const { base, members, link } = this.message;
    if (values.length !== this.values) {
      throw new InvalidInputError(`${values.length} decrypted values, expected ${this.values}`);
    }
    const scores = base.map((each, j) => this.#scaled(values, j) + each);
    if (OF_PAIRS.includes(link)) return votesOfPairs(scores);
    return members.length ? combined(members, scores, this.message.median) : scores;
  }

  #contributions(values: readonly number[]): number[][] {
    const { base, contributions } = this.message;
    const names = contributions.length;
    return base.map((_, s) => contributions.map((_, g) => this.#scaled(values, base.length + s * names + g)));
  }

  /** The sum is one of 64-bit integers, rounded once. */
  #scaled(values: readonly number[], j: number): number {
    return Number(BigInt(values[j]!) + this.message.offset[j]!) * this.message.step;
  }

  #value(scores: readonly number[]): Label | number[] {
    const { link } = this.message;
    if (this.labels) {
      const threshold = link === Link.PROBABILITY ? 0.5 : 0;
      // Margins, below 1/3 of a vote, decide nothing where they are not asked to.
      const decisive = link === Link.PAIRS ? scores.map(Math.round) : scores;
      const chosen = scores.length === 1 ? Number(scores[0]! > threshold) : decisive.indexOf(Math.max(...decisive));
      return this.labels[chosen]!;
    }
    const predictions = scores.map((score) => this.#regressed(score));
    return predictions.length === 1 ? predictions[0]! : predictions;
  }

  #regressed(score: number): number {
    switch (this.message.link) {
      case Link.EXPONENTIAL:
        return exponential(score);
      case Link.LOGISTIC:
        return sigmoid(score);
      case Link.CURVE:
        return heightAt(this.message.curveScores, this.message.curvePredictions, score);
      default:
        return score;
    }
  }

  #checkScores(): void {
    const { offset, base, step, furtherBits, contributions } = this.message;
    if (!offset.length || offset.length !== base.length * (1 + contributions.length)) {
      throw fault(`${offset.length} offsets, ${base.length} bases and ${contributions.length} contributions`);
    }
    if (offset.length > MAX_VECTOR_SIZE || offset.some(isBeyond)) {
      throw fault("an offset beyond 2^62, or too many offsets");
    }
    const largest = base.reduce((most, each) => Math.max(most, Math.abs(each)), 0);
    if (!(step > 0) || !base.every(Number.isFinite) || !Number.isFinite(step * 2 ** 64 + largest)) {
      throw fault(`step ${step} must be positive, and every score that it and the bases can make finite`);
    }
    if (furtherBits > MAX_FURTHER_BITS) throw fault(`${furtherBits} bits that are not exact`);
  }

  #checkCurve(): void {
    const { link, curveScores: at, curvePredictions: heights } = this.message;
    if ((link === Link.CURVE) !== at.length > 0 || at.length !== heights.length) {
      throw fault(`a curve of ${at.length} scores and ${heights.length} predictions with link ${Link[link]}`);
    }
    if (at.length) checkCurve(at, heights);
  }

  #checkContributions(): void {
    const { base, furtherBits, members, contributions, contributionBase, link } = this.message;
    if (contributions.length && (furtherBits || members.length || OF_PAIRS.includes(link))) {
      throw fault("contributions add up to the scores exactly: no further bits, members and pairs stand beside them");
    }
    if (contributionBase.length !== (contributions.length ? base.length : 0) || contributionBase.some(isBeyond)) {
      throw fault("bases of contributions: one a score, none without contributions, and none beyond 2^62");
    }
    if (new Set(contributions).size !== contributions.length) throw fault("two contributions of one name");
    for (const name of contributions) checkName(name, "decoder: contribution");
  }

  #checkLabels(): void {
    const { labels } = this;
    if (REGRESSIONS.includes(this.message.link)) {
      if (labels) throw fault("a regression has no labels");
      return;
    }
    const expected = Math.max(2, this.outputs);
    // A Set takes 0 and -0 for one value, as the specification does.
    if (labels?.length !== expected || new Set(labels).size !== expected) {
      throw fault(`${labels?.length ?? 0} labels for ${this.outputs} scores, expected ${expected}, all different`);
    }
    for (const label of labels) {
      if (typeof label === "string") checkName(label, "decoder: label", { mayBeEmpty: true });
      else if (typeof label === "number" && !Number.isFinite(label)) throw fault("every label must be finite");
    }
  }
}

function isBeyond(value: bigint): boolean {
  return value > MOST_OFFSET || value < -MOST_OFFSET;
}

function fault(message: string): MalformedMessageError {
  return new MalformedMessageError(`decoder: ${message}`);
}
