/** Curves of scores: straight between knots, constant beyond the outer ones. */
import { MalformedMessageError } from "../errors.js";
import { MAX_KNOTS } from "../wire/limits.js";
import { strictlyIncreasing } from "./encoder.js";

/** Refuse a curve of another number of knots, or of unsorted ones. */
export function checkCurve(at: readonly number[], heights: readonly number[]): void {
  if (at.length < 2 || at.length > MAX_KNOTS || at.length !== heights.length) {
    throw fault(`a curve of ${at.length} scores and ${heights.length} predictions, expected 2 to ${MAX_KNOTS}`);
  }
  if (![...at, ...heights].every(Number.isFinite)) throw fault("a curve must be finite");
  if (!strictlyIncreasing(at)) throw fault("the scores of a curve must be strictly increasing");
}

/** Its height at a score. */
export function heightAt(at: readonly number[], heights: readonly number[], score: number): number {
  const last = at.length - 1;
  if (score <= at[0]!) return heights[0]!;
  if (score >= at[last]!) return heights[last]!;
  const i = at.findIndex((_, j) => score < at[j + 1]!);
  // As NumPy: the slope to a knot that is far away may be infinite.
  if (score === at[i]) return heights[i]!;
  const slope = (heights[i + 1]! - heights[i]!) / (at[i + 1]! - at[i]!);
  return slope * (score - at[i]!) + heights[i]!;
}

function fault(message: string): MalformedMessageError {
  return new MalformedMessageError(`decoder: ${message}`);
}
