/** Links: what scores mean, and the probabilities that they make (protos/SPEC.md, "Decoder"). */
import { Decoder_Link as Link } from "../generated/cryptable/v1/client_spec_pb.js";
import { clip } from "./encoder.js";
import { exponential } from "./exponential.js";

export { Link };

/** Links of models without labels. */
export const REGRESSIONS: readonly Link[] = [Link.IDENTITY, Link.EXPONENTIAL, Link.LOGISTIC, Link.CURVE];
export const PROBABILITIES: readonly Link[] = [Link.SIGMOID, Link.SOFTMAX, Link.PROBABILITY];

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
