"""Members: a model that is a weighted sum, or median, of what several models predict of some scores each."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from cryptable_protocol import limits
from cryptable_protocol._generated.cryptable.v1 import client_spec_pb2 as pb
from cryptable_protocol.encoding.exponential import FloatArray
from cryptable_protocol.encoding.links import Link, completed, probabilities_of, sigmoid
from cryptable_protocol.errors import MalformedMessageError

_LINKS = (Link.SIGMOID, Link.SOFTMAX, Link.PROBABILITY)


@dataclass(frozen=True)
class MemberCurve:
    """Straight between scores, which are strictly increasing; constant beyond the outer ones."""

    scores: tuple[float, ...]
    predictions: tuple[float, ...]

    def __post_init__(self) -> None:
        if not 2 <= len(self.scores) == len(self.predictions) <= limits.MAX_KNOTS:
            raise MalformedMessageError(
                f"decoder: a member's curve of {len(self.scores)} scores and {len(self.predictions)} predictions, "
                f"expected 2 to {limits.MAX_KNOTS} of both"
            )
        if not all(map(math.isfinite, (*self.scores, *self.predictions))):
            raise MalformedMessageError("decoder: a member's curve must be finite")
        if not all(low < high for low, high in itertools.pairwise(self.scores)):
            raise MalformedMessageError("decoder: the scores of a member's curve must be strictly increasing")

    def at(self, scores: FloatArray) -> FloatArray:
        """Its heights."""
        heights: FloatArray = np.interp(scores, self.scores, self.predictions)
        return heights


@dataclass(frozen=True)
class Member:
    """Adds weight times its prediction to the model's.

    Its prediction is what `link` makes of the next `scores` scores: probabilities, with IDENTITY the scores
    themselves, and with MARGIN a vote: 1 for the label with the largest score, or of one score 1 for the second label
    where it is above 0 and -1 elsewhere. Where there are `slopes`, one of each a score, each probability p becomes
    1 / (1 + e^-(slope * p + intercept)), and several are divided by their sum. So are they where there are `curves`,
    one a score, by which each probability, or score of IDENTITY, becomes the height of a curve. Scores are multiplied
    by `scale` before all else.
    """

    link: Link
    scores: int
    weight: float
    slopes: tuple[float, ...] = ()
    intercepts: tuple[float, ...] = ()
    curves: tuple[MemberCurve, ...] = ()
    scale: float = 1.0

    def __post_init__(self) -> None:
        if self.link not in (*_LINKS, Link.IDENTITY, Link.MARGIN):
            raise MalformedMessageError(
                f"decoder: a member of link {self.link.name}, expected probabilities, scores or votes"
            )
        if not 1 <= self.scores <= limits.MAX_VECTOR_SIZE:
            raise MalformedMessageError(f"decoder: a member of {self.scores} scores")
        if len(self.slopes) != len(self.intercepts) or len(self.slopes) not in (0, self.scores):
            raise MalformedMessageError(
                f"decoder: a member of {self.scores} scores with {len(self.slopes)} slopes and "
                f"{len(self.intercepts)} intercepts, expected none, or one of each a score"
            )
        if self.slopes and self.link not in _LINKS:
            raise MalformedMessageError("decoder: slopes of a member that makes no probabilities")
        if len(self.curves) not in (0, self.scores) or (self.curves and (self.slopes or self.link is Link.MARGIN)):
            raise MalformedMessageError(
                f"decoder: a member of {self.scores} scores with {len(self.curves)} curves, expected none, or one a "
                "score and neither slopes nor votes"
            )
        if not 0 < self.scale < math.inf:
            raise MalformedMessageError(f"decoder: a member of scale {self.scale}, expected a positive number")
        if not all(map(math.isfinite, (self.weight, *self.slopes, *self.intercepts))):
            raise MalformedMessageError("decoder: a member's weight, slopes and intercepts must be finite")

    def values(self, scores: FloatArray) -> FloatArray:
        """Its prediction of its scores, both of shape (rows, scores); of two classes, that of the second."""
        if self.scale != 1.0:
            scores = scores * self.scale
        if self.link is Link.IDENTITY:
            return self._on_curves(scores) if self.curves else scores
        if self.link is Link.MARGIN:
            return _votes(scores)
        probabilities = probabilities_of(self.link, scores[:, 0] if self.scores == 1 else scores)
        if self.scores == 1:
            second = probabilities[:, 1:]
            if self.curves:
                return self._on_curves(second)
            return sigmoid(second * self.slopes[0] + self.intercepts[0]) if self.slopes else second
        if self.curves:
            return self._on_curves(probabilities)
        if not self.slopes:
            return probabilities
        calibrated = sigmoid(probabilities * np.asarray(self.slopes) + np.asarray(self.intercepts))
        return completed(calibrated, normalise=True)

    def _on_curves(self, values: FloatArray) -> FloatArray:
        heights = np.stack([curve.at(column) for curve, column in zip(self.curves, values.T, strict=True)], axis=1)
        return completed(heights, normalise=True) if self.scores > 1 else heights

    def to_message(self) -> pb.Member:
        """As protobuf."""
        return pb.Member(
            link=self.link.value,
            scores=self.scores,
            weight=self.weight,
            slopes=self.slopes,
            intercepts=self.intercepts,
            scale=0.0 if self.scale == 1.0 else self.scale,
            curves=[pb.Curve(scores=curve.scores, predictions=curve.predictions) for curve in self.curves],
        )

    @classmethod
    def from_message(cls, message: pb.Member) -> Member:
        """From protobuf; raises MalformedMessageError where a field is missing or out of range."""
        try:
            link = Link(message.link)
        except ValueError as error:
            raise MalformedMessageError(f"decoder: a member of unknown link {message.link}") from error
        curves = tuple(MemberCurve(tuple(each.scores), tuple(each.predictions)) for each in message.curves)
        if message.scale == 1.0:
            raise MalformedMessageError("decoder: a member's scale of 1 is written as 0")
        scale = message.scale if message.scale != 0.0 else 1.0
        slopes, intercepts = tuple(message.slopes), tuple(message.intercepts)
        return cls(link, message.scores, message.weight, slopes, intercepts, curves, scale)


def _votes(scores: FloatArray) -> FloatArray:
    """Of scores of shape (rows, scores): the same shape."""
    if scores.shape[1] == 1:
        return np.where(scores > 0, 1.0, -1.0)
    votes = np.zeros_like(scores)
    votes[np.arange(len(scores)), scores.argmax(axis=1)] = 1.0
    return votes


def check_members(members: Sequence[Member], link: Link, scores: int, *, median: bool) -> None:
    """Refuse members that do not add up.

    Raises:
        MalformedMessageError: other scores than the decoder has, predictions of unequal size, or of another kind.
    """
    if sum(member.scores for member in members) != scores:
        raise MalformedMessageError(
            f"decoder: its members take {sum(member.scores for member in members)} scores of {scores}"
        )
    if len({member.scores for member in members}) != 1:
        raise MalformedMessageError("decoder: its members take unequal numbers of scores")
    if not all(_is_of(member, link) for member in members):
        raise MalformedMessageError(
            "decoder: members sum up to probabilities, to scores or to votes, and each makes what they sum up to"
        )
    if not median:
        return
    weights = [member.weight for member in members]
    if link is not Link.IDENTITY or members[0].scores != 1 or min(weights) < 0 or not 0 < sum(weights) < math.inf:
        raise MalformedMessageError(
            "decoder: a median is of members of one score each, and of weights that are not negative"
        )


def _is_of(member: Member, link: Link) -> bool:
    """Whether a decoder of this link may have such a member."""
    match link:
        case Link.PROBABILITY:
            return member.link in _LINKS or bool(member.curves)
        case Link.IDENTITY:
            return member.link is Link.IDENTITY and not member.curves
        case Link.MARGIN:
            return member.link is Link.MARGIN
        case _:
            return False


def combined(members: Sequence[Member], scores: FloatArray, *, median: bool = False) -> FloatArray:
    """What members predict, added up, or their weighted median.

    Args:
        members: all take as many scores.
        scores: shape (rows, all members' scores).
        median: whether to take the median, of members of one score.

    Returns:
        Shape (rows, one member's scores).
    """
    if median:
        scales = np.array([member.scale for member in members])
        return _median(np.array([member.weight for member in members]), scores * scales)
    total, others = np.zeros((scores.shape[0], members[0].scores)), np.zeros((scores.shape[0], 1))
    start = 0
    for member in members:
        values = member.values(scores[:, start : start + member.scores])
        start += member.scores
        if member.link is Link.MARGIN and member.scores == 1:  # either label's own sum, so that equal ones are equal
            total += member.weight * (values > 0)
            others += member.weight * (values <= 0)
        else:
            total += member.weight * values
    return total - others if members[0].scores == 1 else total


def _median(weights: FloatArray, scores: FloatArray) -> FloatArray:
    """The least of each row that, with lower ones, has half of all weight; shape (rows, 1)."""
    order = np.argsort(scores, axis=1, kind="stable")
    reached = np.cumsum(weights[order], axis=1)
    place = (reached >= 0.5 * reached[:, -1:]).argmax(axis=1)
    rows = np.arange(len(scores))
    found: FloatArray = scores[rows, order[rows, place]][:, None]
    return found
