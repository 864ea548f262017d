"""Members: a model that is a weighted sum of several models' predictions, each made of some of the scores."""

from __future__ import annotations

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
class Member:
    """Adds weight times its prediction to the model's.

    Its prediction is what `link` makes of the next `scores` scores: probabilities, or with IDENTITY the scores
    themselves. Where there are `slopes`, one of each a score, each probability p becomes
    1 / (1 + e^-(slope * p + intercept)), and several are divided by their sum.
    """

    link: Link
    scores: int
    weight: float
    slopes: tuple[float, ...] = ()
    intercepts: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        if self.link not in (*_LINKS, Link.IDENTITY):
            raise MalformedMessageError(f"decoder: a member of link {self.link.name}, expected probabilities or scores")
        if not 1 <= self.scores <= limits.MAX_VECTOR_SIZE:
            raise MalformedMessageError(f"decoder: a member of {self.scores} scores")
        if len(self.slopes) != len(self.intercepts) or len(self.slopes) not in (0, self.scores):
            raise MalformedMessageError(
                f"decoder: a member of {self.scores} scores with {len(self.slopes)} slopes and "
                f"{len(self.intercepts)} intercepts, expected none, or one of each a score"
            )
        if self.slopes and self.link is Link.IDENTITY:
            raise MalformedMessageError("decoder: slopes of a member that makes no probabilities")
        if not all(map(math.isfinite, (self.weight, *self.slopes, *self.intercepts))):
            raise MalformedMessageError("decoder: a member's weight, slopes and intercepts must be finite")

    def values(self, scores: FloatArray) -> FloatArray:
        """Its prediction of its scores, both of shape (rows, scores); of two classes, that of the second."""
        if self.link is Link.IDENTITY:
            return scores
        probabilities = probabilities_of(self.link, scores[:, 0] if self.scores == 1 else scores)
        if self.scores == 1:
            second = probabilities[:, 1:]
            return sigmoid(second * self.slopes[0] + self.intercepts[0]) if self.slopes else second
        if not self.slopes:
            return probabilities
        calibrated = sigmoid(probabilities * np.asarray(self.slopes) + np.asarray(self.intercepts))
        return completed(calibrated, normalise=True)

    def to_message(self) -> pb.Member:
        """As protobuf."""
        return pb.Member(
            link=self.link.value,
            scores=self.scores,
            weight=self.weight,
            slopes=self.slopes,
            intercepts=self.intercepts,
        )

    @classmethod
    def from_message(cls, message: pb.Member) -> Member:
        """From protobuf; raises MalformedMessageError where a field is missing or out of range."""
        try:
            link = Link(message.link)
        except ValueError as error:
            raise MalformedMessageError(f"decoder: a member of unknown link {message.link}") from error
        return cls(link, message.scores, message.weight, tuple(message.slopes), tuple(message.intercepts))


def check_members(members: Sequence[Member], link: Link, scores: int) -> None:
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
    expected = (Link.IDENTITY,) if link is Link.IDENTITY else _LINKS
    if link not in (Link.IDENTITY, Link.PROBABILITY) or any(member.link not in expected for member in members):
        raise MalformedMessageError(
            "decoder: members sum up to probabilities or to scores, and each makes what they sum up to"
        )


def combined(members: Sequence[Member], scores: FloatArray) -> FloatArray:
    """The sum of weight times prediction, of scores of shape (rows, all members' scores): (rows, one member's)."""
    total = np.zeros((scores.shape[0], members[0].scores))
    start = 0
    for member in members:
        total += member.weight * member.values(scores[:, start : start + member.scores])
        start += member.scores
    return total
