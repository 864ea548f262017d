/** Links: what scores mean, and the probabilities that they make (protos/SPEC.md, "Decoder"). */
import { Decoder_Link as Link } from "../generated/cryptable/v1/client_spec_pb.js";
import { clip } from "./encoder.js";
import { exponential } from "./exponential.js";

export { Link };

/** Links of models without labels. */
export const REGRESSIONS: readonly Link[] = [Link.IDENTITY, Link.EXPONENTIAL, Link.LOGISTIC, Link.CURVE];
export const PROBABILITIES: readonly Link[] = [Link.SIGMOID, Link.SOFTMAX, Link.PROBABILITY];

/** Links of classes that are compared pair by pair. */
export const OF_PAIRS: readonly Link[] = [Link.PAIRS, Link.PAIRS_BY_MARGIN];

/** How many labels have so many pairs, of three labels or more; 0 where no number of them has. */
export function labelsOfPairs(scores: number): number {
  const labels = Math.floor((1 + Math.sqrt(1 + 8 * scores)) / 2);
  return labels >= 3 && (labels * (labels - 1)) / 2 === scores ? labels : 0;
}

/** Votes of each label, and below 1/3 of one, by how much its pairs are won. */
export function votesOfPairs(scores: readonly number[]): number[] {
  const labels = labelsOfPairs(scores.length);
  const votes = new Array<number>(labels).fill(0);
  const margins = new Array<number>(labels).fill(0);
  let pair = 0;
  for (let one = 0; one < labels; one++) {
    for (let other = one + 1; other < labels; other++) {
      const score = scores[pair++]!;
      votes[score > 0 ? one : other]!++;
      margins[one]! += score;
      margins[other]! -= score;
    }
  }
  return votes.map((count, label) => count + margins[label]! / (3 * (Math.abs(margins[label]!) + 1)));
}

export function sigmoid(score: number): number {
  // Each branch of the formula only where it cannot overflow.
  const small = exponential(-Math.abs(score));
  return score >= 0 ? 1 / (1 + small) : small / (1 + small);
}

/** Probabilities of all labels, of one score or of one a label. */
export function probabilitiesOf(link: Link, scores: readonly number[]): number[] {
  switch (link) {
    case Link.SOFTMAX: {
      const all = scores.length === 1 ? [-scores[0]!, scores[0]!] : scores;
      const highest = Math.max(...all);
      const exponentials = all.map((score) => exponential(score - highest));
      const total = sum(exponentials);
      return exponentials.map((each) => each / total);
    }
    case Link.SIGMOID:
      return completed(scores.map(sigmoid), true);
    default:
      return completed(
        scores.map((score) => clip(score, 0, 1)),
        false,
      );
  }
}

/** With that of the first label, where one alone is given; else divided by their sum: 1/S each where that is 0. */
export function completed(probabilities: readonly number[], normalise: boolean): number[] {
  if (probabilities.length === 1) return [1 - probabilities[0]!, probabilities[0]!];
  if (!normalise) return [...probabilities];
  const total = sum(probabilities);
  return probabilities.map((each) => (total > 0 ? each / total : 1 / probabilities.length));
}

/** In their order. */
function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, each) => total + each, 0);
}
