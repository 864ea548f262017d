"""scikit-learn's MultiOutputRegressor: a regressor a target, side by side."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

from cryptable.errors import UnsupportedModelError
from cryptable.graphs.graph import Estimator, FloatArray, ModelGraph, Rows
from cryptable.importers.reading.sums import members_take_gaps, read_member, scores_of_members, side_by_side
from cryptable.importers.registry import importer


@importer(
    "sklearn.multioutput.MultiOutputRegressor",
    reference=scores_of_members,
    needs_rows=True,
    takes_gaps=members_take_gaps,
)
def read(
    estimator: Estimator, feature_names: tuple[str, ...], *, kept: Rows, rows: FloatArray, may_miss: Collection[int]
) -> ModelGraph:
    """The members' scores, one a target."""
    what = type(estimator).__name__
    graphs = [read_member(each, feature_names, kept, rows, may_miss) for each in estimator.estimators_]
    links = {graph.link for graph in graphs}
    if len(links) > 1:
        raise UnsupportedModelError(f"{what}: its members have several links; compile its estimators_ one by one")
    wide: ModelGraph = replace(side_by_side(graphs, what), link=links.pop())
    return wide
