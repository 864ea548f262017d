"""Votes: classifiers whose labels are counted, by clients, from the scores that decide them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from cryptable_protocol import Labels, Link, Member

from cryptable.errors import UnsupportedModelError
from cryptable.graphs.client_side import ClientSide
from cryptable.graphs.graph import FloatArray, ModelGraph, TreeEnsemble
from cryptable.graphs.mixture import Mixture
from cryptable.importers.reading.sums import scale_of, scaled, side_by_side

_OF_DEVIATION = 0.6
"""To what the deviation of margins is brought, which have no unit: votes are decided by signs, and by which score is
largest."""


def counted_votes(
    graphs: Sequence[ModelGraph], rows: FloatArray, weights: Sequence[float], labels: Labels, what: str
) -> ModelGraph:
    """What clients count: each member's weight is for the label that its scores choose.

    Args:
        graphs: of the members, classifiers.
        rows: calibration data, as the graphs take them.
        weights: one a member.
        labels: of all of them.
        what: the ensemble, for messages.

    Raises:
        UnsupportedModelError: a member's scores mean something only once a client has worked on them.
    """
    inner = [_deciding(graph, rows, what) for graph in graphs]
    members = tuple(Member(Link.MARGIN, graph.outputs, weight) for graph, weight in zip(inner, weights, strict=True))
    return Mixture(side_by_side(inner, what), members, Link.MARGIN, labels)


def _deciding(graph: ModelGraph, rows: FloatArray, what: str) -> Any:  # noqa: ANN401
    """Scores above 0 for the second label, or the largest for each; of about the size of probabilities."""
    if isinstance(graph, ClientSide):
        raise UnsupportedModelError(
            f"{what}: voting='hard' counts the label of a member that clients make of several scores; set "
            "voting='soft' (it can be set on the fitted one), which averages probabilities"
        )
    match graph.link:
        case Link.PROBABILITY:
            return _about_zero(graph) if graph.outputs == 1 else graph
        case Link.SIGMOID | Link.SOFTMAX:
            return scaled(graph, 1.0 / scale_of(graph, rows))
        case _:
            return scaled(graph, _OF_DEVIATION / (float(graph.scores(rows).std()) or 1.0))


def _about_zero(graph: ModelGraph) -> Any:  # noqa: ANN401
    """Less one half; of trees, each less its part of it, so that leaves that tie are opposite numbers."""
    if not isinstance(graph, TreeEnsemble):
        return scaled(graph, 1.0, -0.5)
    share = (0.5 - float(graph.base[0])) / len(graph.trees)
    trees = tuple(replace(tree, values=tree.values - share) for tree in graph.trees)
    return replace(graph, trees=trees, base=np.zeros(1))
