/** Members: a model that is a weighted sum of several models' predictions, each made of some of the scores. */
import type { Member } from "../generated/cryptable/v1/client_spec_pb.js";
import { MalformedMessageError } from "../errors.js";
import { completed, Link, PROBABILITIES, probabilitiesOf, sigmoid } from "./links.js";

/** Refuse members that do not add up to a decoder of that link and so many scores. */
export function checkMembers(members: readonly Member[], link: Link, scores: number): void {
  members.forEach(checkMember);
  const taken = members.reduce((total, member) => total + member.scores, 0);
  if (taken !== scores) throw fault(`its members take ${taken} scores of ${scores}`);
  if (members.some((member) => member.scores !== members[0]!.scores)) {
    throw fault("its members take unequal numbers of scores");
  }
  const expected = link === Link.IDENTITY ? [Link.IDENTITY] : PROBABILITIES;
  if (
    (link !== Link.IDENTITY && link !== Link.PROBABILITY) ||
    !members.every((member) => expected.includes(member.link))
  ) {
    throw fault("members sum up to probabilities or to scores, and each makes what they sum up to");
  }
}

function checkMember({ link, scores, weight, slopes, intercepts }: Member): void {
  if (link !== Link.IDENTITY && !PROBABILITIES.includes(link)) throw fault(`a member of link ${link}`);
  if (slopes.length !== intercepts.length || (slopes.length && slopes.length !== scores)) {
    throw fault(`a member of ${scores} scores with ${slopes.length} slopes and ${intercepts.length} intercepts`);
  }
  if (slopes.length && link === Link.IDENTITY) throw fault("slopes of a member that makes no probabilities");
  if (![weight, ...slopes, ...intercepts].every(Number.isFinite)) {
    throw fault("a member's weight, slopes and intercepts must be finite");
  }
}

/** The sum of weight times prediction, of all members' scores. */
export function combined(members: readonly Member[], scores: readonly number[]): number[] {
  const each = members[0]!.scores;
  const total = Array.from({ length: each }, () => 0);
  members.forEach((member, m) => {
    const made = prediction(member, scores.slice(m * each, (m + 1) * each));
    made.forEach((value, j) => (total[j]! += member.weight * value));
  });
  return total;
}

function prediction({ link, slopes, intercepts }: Member, scores: readonly number[]): number[] {
  if (link === Link.IDENTITY) return [...scores];
  const probabilities = probabilitiesOf(link, scores);
  const own = scores.length === 1 ? probabilities.slice(1) : probabilities;
  if (!slopes.length) return own;
  const calibrated = own.map((p, j) => sigmoid(p * slopes[j]! + intercepts[j]!));
  return own.length === 1 ? calibrated : completed(calibrated, true);
}

function fault(message: string): MalformedMessageError {
  return new MalformedMessageError(`decoder: ${message}`);
}
