"""Mixture: a model graph that is a weighted sum of what several models predict, which a client adds up."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from cryptable_protocol import Decoder, Labels, Link, Member
from cryptable_protocol.encoding.members import combined

from cryptable.graphs.client_side import ClientSide
from cryptable.graphs.graph import FloatArray, ModelGraph, Rows

_STEEPEST = {Link.IDENTITY: 1.0, Link.SIGMOID: 0.5, Link.SOFTMAX: 0.5, Link.PROBABILITY: 1.0}
"""By how much a prediction moves at most as no score of a member moves by more than 1.

Of SOFTMAX, and of SIGMOID with several scores, p is a quotient: its logarithm moves by 2 (1 - p) at most.
"""


@dataclass(frozen=True, eq=False)
class Mixture(ClientSide):
    """What `members` make of the scores of one graph, those of the first member first, added up.

    `link` is PROBABILITY for classes, IDENTITY otherwise.
    """

    members: tuple[Member, ...]
    link: Link
    labels: Labels | None

    @property
    def outputs(self) -> int:
        """Scores a row, once added up."""
        return self.members[0].scores

    def scores(self, rows: Rows) -> FloatArray:
        """What the members predict, added up, shape (rows, outputs)."""
        return combined(self.members, self.graph.scores(rows))

    @property
    def steepness(self) -> float:
        """By how much a score moves at most as no score of the graph moves by more than 1."""
        return sum(abs(member.weight) * _steepness(member) for member in self.members)

    def decoder(self, planned: Decoder) -> Decoder:
        """With the members."""
        return replace(planned, link=self.link, labels=self.labels, members=self.members)


def _steepness(member: Member) -> float:
    own = 0.25 if member.scores == 1 and member.link is Link.SIGMOID else _STEEPEST[member.link]
    if not member.slopes:
        return own
    return own * float(np.abs(member.slopes).max()) * (0.25 if member.scores == 1 else 0.5)


def meaningless(graph: ModelGraph) -> Any:  # noqa: ANN401
    """The graph with scores alone, as a mixture has it: no link, no labels."""
    return replace(graph, link=Link.IDENTITY, labels=None)  # type: ignore[type-var]
