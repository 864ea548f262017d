"""scikit-learn's CalibratedClassifierCV with sigmoids: the mean of sigmoids of what classifiers score."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import numpy as np
from cryptable_protocol import Link, Member

from cryptable.errors import UnsupportedModelError
from cryptable.graphs.graph import Estimator, FloatArray, ModelGraph, Rows
from cryptable.graphs.mixture import Mixture
from cryptable.importers.reading.labels import labels_of
from cryptable.importers.reading.sums import probabilities, read_member, scaled, side_by_side
from cryptable.importers.registry import importer, takes_gaps


def _members_take_gaps(estimator: Estimator) -> bool:
    return all(takes_gaps(each.estimator) for each in estimator.calibrated_classifiers_)


@importer(
    "sklearn.calibration.CalibratedClassifierCV",
    reference=probabilities,
    needs_rows=True,
    takes_gaps=_members_take_gaps,
)
def read(
    estimator: Estimator, feature_names: tuple[str, ...], *, kept: Rows, rows: FloatArray, may_miss: Collection[int]
) -> ModelGraph:
    """For each fold, sigmoids of its classifier's scores, or of its probabilities where it has no scores."""
    what = type(estimator).__name__
    labels = labels_of(estimator.classes_, what)
    graphs, members = [], []
    for each in estimator.calibrated_classifiers_:
        if each.method != "sigmoid":
            raise UnsupportedModelError(
                f"{what}: method={each.method!r} is not supported, only 'sigmoid'; calibrate with method='sigmoid', or "
                "compile its estimator and let clients calibrate"
            )
        if len(each.estimator.classes_) != len(labels):
            raise UnsupportedModelError(
                f"{what}: one of its folds has not all classes; fit with stratified folds, or ensemble=False"
            )
        graph = read_member(_unfrozen(each.estimator), feature_names, kept, rows, may_miss)
        slopes = np.array([-float(calibrator.a_) for calibrator in each.calibrators])
        intercepts = np.array([-float(calibrator.b_) for calibrator in each.calibrators])
        inner, member = _calibrated(graph, each.estimator, slopes, intercepts, what)
        graphs.append(inner)
        members.append(member)
    share = 1.0 / len(members)
    return Mixture(
        side_by_side(graphs, what),
        tuple(Member(each.link, each.scores, share, each.slopes, each.intercepts) for each in members),
        Link.PROBABILITY,
        labels,
    )


def _unfrozen(estimator: Estimator) -> Estimator:
    return estimator.estimator if type(estimator).__name__ == "FrozenEstimator" else estimator


def _calibrated(
    graph: ModelGraph, estimator: Estimator, slopes: FloatArray, intercepts: FloatArray, what: str
) -> tuple[Any, Member]:
    """A graph whose sigmoids, or those of whose probabilities, are what scikit-learn makes of one fold."""
    if isinstance(graph, Mixture) or graph.link not in (Link.MARGIN, Link.SIGMOID, Link.SOFTMAX, Link.PROBABILITY):
        raise UnsupportedModelError(f"{what} around {type(estimator).__name__} is not supported")
    is_scored = hasattr(estimator, "decision_function")
    if is_scored or graph.link is Link.PROBABILITY:
        # Of one score, it is the second class's; scikit-learn calibrates that.
        return scaled(graph, slopes, intercepts), Member(Link.SIGMOID, graph.outputs, 1.0)
    link = graph.link
    return graph, Member(link, graph.outputs, 1.0, tuple(slopes.tolist()), tuple(intercepts.tolist()))
