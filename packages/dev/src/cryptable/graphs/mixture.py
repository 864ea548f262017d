"""Mixture: a model graph that is a weighted sum, or median, of what several models predict, which a client makes."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
from cryptable_protocol import Decoder, Labels, Link, Member, MemberCurve
from cryptable_protocol.encoding.members import combined

from cryptable.graphs.client_side import ClientSide
from cryptable.graphs.graph import FloatArray, ModelGraph, Rows

_STEEPEST = {Link.IDENTITY: 1.0, Link.SIGMOID: 0.5, Link.SOFTMAX: 0.5, Link.PROBABILITY: 1.0}
"""By how much a prediction moves at most as no score of a member moves by more than 1.

Of SOFTMAX, and of SIGMOID with several scores, p is a quotient: its logarithm moves by 2 (1 - p) at most.
"""
_NEAR = 1e-9
"""Scores that differ by less, of their size, are equal: sums of the same numbers in another order."""
_APART = 1e-6
"""Heights of a curve that differ by more within so short a way belong to a jump."""
_VOTES = 0.0125
"""How exact scores that decide a vote are, where nothing finer is asked for: those are of the size of probabilities."""
_FINEST = 6
"""Halvings of a tolerance, at most, for curves that are steep."""


@dataclass(frozen=True, eq=False)
class Mixture(ClientSide):
    """What `members` make of the scores of one graph, those of the first member first, added up.

    `link` is PROBABILITY for classes, MARGIN for classes that members vote for, IDENTITY otherwise. With `median`, it
    is the weighted median of members of one score.
    """

    members: tuple[Member, ...]
    link: Link
    labels: Labels | None
    median: bool = False

    @property
    def outputs(self) -> int:
        """Scores a row, once added up."""
        return self.members[0].scores

    def scores(self, rows: Rows) -> FloatArray:
        """What the members predict, added up, shape (rows, outputs)."""
        return self.of_scores(self.graph.scores(rows))

    def of_scores(self, scores: FloatArray) -> FloatArray:
        """The same, of scores of the graph, shape (rows, members' scores)."""
        return combined(self.members, scores, median=self.median)

    def undecided(self, scores: FloatArray) -> npt.NDArray[np.bool_]:
        """Rows in which scores of the graph lie where a vote or a curve jumps, and doubles may round to either side.

        Args:
            scores: of the graph, shape (rows, members' scores).

        Returns:
            Shape (rows,).
        """
        near = _NEAR * max(1.0, float(np.abs(scores).max(initial=0.0)))
        found = np.zeros(len(scores), np.bool_)
        start = 0
        for member in self.members:
            own = scores[:, start : start + member.scores] * member.scale
            start += member.scores
            if member.link is Link.MARGIN:
                found |= _margins(own) <= near
            elif member.curves:
                own = replace(member, curves=(), scale=1.0).values(own)
                for curve, column in zip(member.curves, own.T, strict=True):
                    found |= np.abs(curve.at(column + near) - curve.at(column - near)) > _APART
        return found

    def inner_tolerance(self, tolerance: float, *, is_asked_for: bool = True) -> float:
        """By how steep links are; of curves, so fine that the error is kept, or finer by 2^6 where that takes more.

        Of votes, which a score decides and does not move, as of probabilities.
        """
        if any(member.link is Link.MARGIN for member in self.members):
            return min(tolerance, _VOTES)
        if not any(member.curves for member in self.members):
            # Members of wide scores have a scale beyond what makes errors probabilities: by as much, they err more.
            most = math.inf if is_asked_for or self.link is Link.IDENTITY else 1.0
            return tolerance / sum(abs(member.weight) * min(_error(member, 1.0), most) for member in self.members)
        inner = tolerance
        for _ in range(_FINEST):
            error = self.error(inner)
            if error is None or error <= tolerance:
                break
            inner /= 2
        return inner

    def error(self, inner: float) -> float | None:
        """None where members vote, or are divided by a sum of heights of curves."""
        if self.median:
            return inner
        total = 0.0
        for member in self.members:
            if member.link is Link.MARGIN or (member.curves and member.scores > 1):
                return None
            total += abs(member.weight) * _error(member, inner)
        return total

    def decoder(self, planned: Decoder) -> Decoder:
        """With the members."""
        return replace(planned, link=self.link, labels=self.labels, members=self.members, median=self.median)


def _error(member: Member, inner: float) -> float:
    """Of a member's prediction, where its scores are off by `inner` at most."""
    own = member.scale * (0.25 if member.scores == 1 and member.link is Link.SIGMOID else _STEEPEST[member.link])
    if member.curves:
        return max(_rise(curve, own * inner) for curve in member.curves)
    if not member.slopes:
        return own * inner
    return own * inner * float(np.abs(member.slopes).max()) * (0.25 if member.scores == 1 else 0.5)


def _rise(curve: MemberCurve, way: float) -> float:
    """The most that a curve's height changes over a way: from a knot or to one, since it is straight between."""
    at = np.asarray(curve.scores)
    heights = curve.at(at)
    return float(max(np.abs(curve.at(at + way) - heights).max(), np.abs(curve.at(at - way) - heights).max()))


def _margins(scores: FloatArray) -> FloatArray:
    """By how much a label is chosen, shape (rows,)."""
    if scores.shape[1] == 1:
        distance: FloatArray = np.abs(scores[:, 0])
        return distance
    highest = np.sort(scores, axis=1)
    margin: FloatArray = highest[:, -1] - highest[:, -2]
    return margin


def meaningless(graph: ModelGraph) -> Any:  # noqa: ANN401
    """The graph with scores alone, as a mixture has it: no link, no labels."""
    return replace(graph, link=Link.IDENTITY, labels=None)  # type: ignore[type-var]
