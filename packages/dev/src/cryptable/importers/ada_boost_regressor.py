"""scikit-learn's AdaBoostRegressor: the weighted median of what its members predict, which clients take."""

from __future__ import annotations

from collections.abc import Collection

import numpy as np
from cryptable_protocol import Link, Member

from cryptable.errors import UnsupportedModelError
from cryptable.graphs.graph import Estimator, FloatArray, ModelGraph, Rows
from cryptable.graphs.mixture import Mixture
from cryptable.importers.reading.sums import members_take_gaps, predictions, read_member, side_by_side
from cryptable.importers.registry import importer


@importer("sklearn.ensemble.AdaBoostRegressor", reference=predictions, needs_rows=True, takes_gaps=members_take_gaps)
def read(
    estimator: Estimator, feature_names: tuple[str, ...], *, kept: Rows, rows: FloatArray, may_miss: Collection[int]
) -> ModelGraph:
    """A score a member. Their median would take comparisons of encrypted numbers, so that clients are told all."""
    what = type(estimator).__name__
    graphs = [read_member(each, feature_names, np.asarray(kept), rows, may_miss) for each in estimator.estimators_]
    for graph in graphs:
        if graph.link is not Link.IDENTITY or graph.outputs != 1:
            raise UnsupportedModelError(
                f"{what} takes the median of members with the link {graph.link.name.lower()}, which is not supported; "
                "fit it on trees, its default"
            )
    weights = np.asarray(estimator.estimator_weights_, np.float64)[: len(graphs)].tolist()
    members = tuple(Member(Link.IDENTITY, 1, weight) for weight in weights)
    return Mixture(side_by_side(graphs, what), members, Link.IDENTITY, None, median=True)
