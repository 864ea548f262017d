"""PairVotes: classes that are compared pair by pair, one against one, of which a client counts the votes."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
from cryptable_protocol import Decoder, Labels, Link
from cryptable_protocol.encoding.links import votes_of_pairs

from cryptable.graphs.client_side import ClientSide
from cryptable.graphs.graph import FloatArray, Rows

_NEAR = 1e-9
"""Of the largest score: what less says of a pair, sums of doubles in another order say otherwise."""


@dataclass(frozen=True, eq=False)
class PairVotes(ClientSide):
    """Votes of the labels by the graph's scores, each of which compares a pair: (0, 1), (0, 2), …, (1, 2), ….

    Of equally many votes the first label wins, or with `by_margin` the one whose pairs have the largest sum.
    """

    labels: Labels
    by_margin: bool = False

    @property
    def link(self) -> Link:
        """How labels are chosen."""
        return Link.PAIRS_BY_MARGIN if self.by_margin else Link.PAIRS

    @property
    def outputs(self) -> int:
        """Scores a row, once votes are counted."""
        return len(self.labels)

    def scores(self, rows: Rows) -> FloatArray:
        """Votes, and margins below a third of one, shape (rows, labels)."""
        return votes_of_pairs(self.graph.scores(rows))

    def undecided(self, scores: FloatArray) -> npt.NDArray[np.bool_]:
        """Rows in which a pair's score, of the graph, is as good as 0; shape (rows,)."""
        found: npt.NDArray[np.bool_] = (np.abs(scores) <= _NEAR * max(1.0, float(np.abs(scores).max()))).any(axis=1)
        return found

    def error(self, inner: float) -> None:
        """None: a vote is lost or won, however little a score is off."""

    def decoder(self, planned: Decoder) -> Decoder:
        """With the votes."""
        return replace(planned, link=self.link, labels=self.labels)
