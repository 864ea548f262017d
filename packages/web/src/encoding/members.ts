/** Members: a model that is a weighted sum, or median, of several models' predictions, each made of some of the scores. */
import type { Member } from "../generated/cryptable/v1/client_spec_pb.js";
import { MalformedMessageError } from "../errors.js";
import { checkCurve, heightAt } from "./curve.js";
import { completed, Link, PROBABILITIES, probabilitiesOf, sigmoid } from "./links.js";

/** Refuse members that do not add up to a decoder of that link and so many scores. */
export function checkMembers(members: readonly Member[], link: Link, scores: number, median: boolean): void {
  members.forEach(checkMember);
  const taken = members.reduce((total, member) => total + member.scores, 0);
  if (taken !== scores) throw fault(`its members take ${taken} scores of ${scores}`);
  if (members.some((member) => member.scores !== members[0]!.scores)) {
    throw fault("its members take unequal numbers of scores");
  }
  if (!members.every((member) => isOf(member, link))) {
    throw fault("members sum up to probabilities, to scores or to votes, and each makes what they sum up to");
  }
  if (!median) return;
  const weights = members.map((member) => member.weight);
  const all = sum(weights);
  if (link !== Link.IDENTITY || members[0]!.scores !== 1 || Math.min(...weights) < 0 || !(all > 0 && all < Infinity)) {
    throw fault("a median is of members of one score each, and of weights that are not negative");
  }
}

/** Whether a decoder of this link may have such a member. */
function isOf({ link, curves }: Member, own: Link): boolean {
  if (own === Link.PROBABILITY) return PROBABILITIES.includes(link) || curves.length > 0;
  if (own === Link.IDENTITY) return link === Link.IDENTITY && !curves.length;
  return own === Link.MARGIN && link === Link.MARGIN;
}

function checkMember({ link, scores, weight, slopes, intercepts, curves, scale }: Member): void {
  if (![Link.IDENTITY, Link.MARGIN, ...PROBABILITIES].includes(link)) throw fault(`a member of link ${link}`);
  if (slopes.length !== intercepts.length || (slopes.length && slopes.length !== scores)) {
    throw fault(`a member of ${scores} scores with ${slopes.length} slopes and ${intercepts.length} intercepts`);
  }
  if (slopes.length && !PROBABILITIES.includes(link)) throw fault("slopes of a member that makes no probabilities");
  if (![0, scores].includes(curves.length) || (curves.length && (slopes.length || link === Link.MARGIN))) {
    throw fault(`a member of ${scores} scores with ${curves.length} curves`);
  }
  if (scale === 1 || !(scale >= 0 && scale < Infinity)) throw fault(`a member of scale ${scale}`);
  for (const curve of curves) checkCurve(curve.scores, curve.predictions);
  if (![weight, ...slopes, ...intercepts].every(Number.isFinite)) {
    throw fault("a member's weight, slopes and intercepts must be finite");
  }
}

/** The sum of weight times prediction, of all members' scores, or their weighted median. */
export function combined(members: readonly Member[], scores: readonly number[], median: boolean): number[] {
  const each = members[0]!.scores;
  scores = scores.map((score, j) => score * (members[Math.floor(j / each)]!.scale || 1));
  if (median) return [medianOf(members, scores)];
  const total = Array.from({ length: each }, () => 0);
  let others = 0;
  members.forEach((member, m) => {
    const made = prediction(member, scores.slice(m * each, (m + 1) * each));
    // Either label's own sum of votes, so that equal ones are equal.
    if (member.link === Link.MARGIN && each === 1 && made[0]! <= 0) others += member.weight;
    else made.forEach((value, j) => (total[j]! += member.weight * value));
  });
  return each === 1 ? [total[0]! - others] : total;
}

function medianOf(members: readonly Member[], scores: readonly number[]): number {
  const order = scores.map((_, m) => m).sort((a, b) => scores[a]! - scores[b]!);
  let reached = 0;
  const weights = order.map((m) => (reached += members[m]!.weight));
  return scores[order[weights.findIndex((weight) => weight >= 0.5 * reached)]!]!;
}

function prediction({ link, slopes, intercepts, curves }: Member, scores: readonly number[]): number[] {
  if (link === Link.MARGIN) return votes(scores);
  const onCurves = (values: readonly number[]) => {
    const heights = values.map((value, j) => heightAt(curves[j]!.scores, curves[j]!.predictions, value));
    return heights.length === 1 ? heights : completed(heights, true);
  };
  if (link === Link.IDENTITY) return curves.length ? onCurves(scores) : [...scores];
  const probabilities = probabilitiesOf(link, scores);
  const own = scores.length === 1 ? probabilities.slice(1) : probabilities;
  if (curves.length) return onCurves(own);
  if (!slopes.length) return own;
  const calibrated = own.map((p, j) => sigmoid(p * slopes[j]! + intercepts[j]!));
  return own.length === 1 ? calibrated : completed(calibrated, true);
}

/** For the label of the largest score, the first of equals; of one score, 1 for the second label, else -1. */
function votes(scores: readonly number[]): number[] {
  if (scores.length === 1) return [scores[0]! > 0 ? 1 : -1];
  const chosen = scores.indexOf(Math.max(...scores));
  return scores.map((_, j) => Number(j === chosen));
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, each) => total + each, 0);
}

function fault(message: string): MalformedMessageError {
  return new MalformedMessageError(`decoder: ${message}`);
}
