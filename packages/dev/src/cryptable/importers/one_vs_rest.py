"""scikit-learn's OneVsRestClassifier: a score a class, each of a classifier of its own."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from typing import Any

from cryptable_protocol import Link

from cryptable.errors import UnsupportedModelError
from cryptable.graphs.graph import Estimator, FloatArray, ModelGraph, Rows
from cryptable.importers.reading.labels import labels_of
from cryptable.importers.reading.sums import members_take_gaps, read_member, scores_of_members, side_by_side
from cryptable.importers.registry import importer


@importer(
    "sklearn.multiclass.OneVsRestClassifier", reference=scores_of_members, needs_rows=True, takes_gaps=members_take_gaps
)
def read(
    estimator: Estimator, feature_names: tuple[str, ...], *, kept: Rows, rows: FloatArray, may_miss: Collection[int]
) -> ModelGraph:
    """The largest score wins."""
    what = type(estimator).__name__
    if estimator.multilabel_:
        raise UnsupportedModelError(
            f"{what} was fitted on several targets, which are not supported; fit and compile one estimator a target"
        )
    if any(type(member).__name__ == "_ConstantPredictor" for member in estimator.estimators_):
        raise UnsupportedModelError(f"{what}: one of its classes stands in every row or in none; leave that class out")
    labels = labels_of(estimator.classes_, what)
    graphs: list[Any] = [read_member(each, feature_names, kept, rows, may_miss) for each in estimator.estimators_]
    if len(graphs) == 1:
        only: ModelGraph = replace(graphs[0], labels=labels)
        return only
    link = graphs[0].link
    if any(graph.link is not link or graph.outputs != 1 for graph in graphs) or link not in (Link.SIGMOID, Link.MARGIN):
        inner = type(estimator.estimators_[0]).__name__
        raise UnsupportedModelError(
            f"{what} around {inner} divides probabilities by their sum, for which no bound of the error holds; fit "
            f"{inner} itself on all classes"
        )
    wide: ModelGraph = replace(side_by_side(graphs, what), link=link, labels=labels)
    return wide
