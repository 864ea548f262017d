"""scikit-learn's CalibratedClassifierCV: the mean of sigmoids, isotonic curves or softmaxes of classifiers' scores."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from typing import Any

import numpy as np
from cryptable_protocol import Link, Member, MemberCurve
from cryptable_protocol.limits import MAX_KNOTS

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
    """For each fold, functions of its classifier's scores, or of its probabilities where it has no scores."""
    what = type(estimator).__name__
    labels = labels_of(estimator.classes_, what)
    graphs, members = [], []
    for each in estimator.calibrated_classifiers_:
        if each.method not in _METHODS:
            raise UnsupportedModelError(
                f"{what}: method={each.method!r} is not supported; calibrate with method='sigmoid', 'isotonic' or "
                "'temperature', or compile its estimator and let clients calibrate"
            )
        if len(each.estimator.classes_) != len(labels):
            raise UnsupportedModelError(
                f"{what}: one of its folds has not all classes; fit with stratified folds, or ensemble=False"
            )
        graph = read_member(_unfrozen(each.estimator), feature_names, kept, rows, may_miss)
        inner, member = _METHODS[each.method](graph, each, what)
        graphs.append(inner)
        members.append(member)
    share = 1.0 / len(members)
    return Mixture(
        side_by_side(graphs, what),
        tuple(replace(each, weight=share) for each in members),
        Link.PROBABILITY,
        labels,
    )


def _unfrozen(estimator: Estimator) -> Estimator:
    return estimator.estimator if type(estimator).__name__ == "FrozenEstimator" else estimator


def _on_sigmoids(graph: ModelGraph, fold: Estimator, what: str) -> tuple[Any, Member]:
    """A graph whose sigmoids, or those of whose probabilities, are what scikit-learn makes of one fold."""
    slopes = np.array([-float(calibrator.a_) for calibrator in fold.calibrators])
    intercepts = np.array([-float(calibrator.b_) for calibrator in fold.calibrators])
    is_scored = _check(graph, fold.estimator, what)
    if is_scored or graph.link is Link.PROBABILITY:
        # Of one score, it is the second class's; scikit-learn calibrates that.
        return scaled(graph, slopes, intercepts), Member(Link.SIGMOID, graph.outputs, 1.0)
    return graph, Member(graph.link, graph.outputs, 1.0, tuple(slopes.tolist()), tuple(intercepts.tolist()))


def _on_curves(graph: ModelGraph, fold: Estimator, what: str) -> tuple[Any, Member]:
    """The same of isotonic regressions, which go straight from threshold to threshold."""
    is_scored = _check(graph, fold.estimator, what)
    link = Link.IDENTITY if is_scored else graph.link
    return graph, Member(link, graph.outputs, 1.0, curves=tuple(map(_curve, fold.calibrators)))


def _by_temperature(graph: ModelGraph, fold: Estimator, what: str) -> tuple[Any, Member]:
    """The same of a softmax of scores times one number; of probabilities, of their logarithms."""
    is_scored = _check(graph, fold.estimator, what)
    factor = float(fold.calibrators[0].beta_)
    link = Link.SOFTMAX if is_scored else graph.link
    if link is Link.PROBABILITY or (link is Link.SIGMOID and graph.outputs > 1):
        raise UnsupportedModelError(
            f"{what}: method='temperature' takes logarithms of the probabilities of {type(fold.estimator).__name__}, "
            "which clients do not; calibrate with method='sigmoid' or 'isotonic'"
        )
    return scaled(graph, factor), Member(link, graph.outputs, 1.0)


_METHODS = {"sigmoid": _on_sigmoids, "isotonic": _on_curves, "temperature": _by_temperature}


def _curve(calibrator: Any) -> MemberCurve:  # noqa: ANN401
    at = np.asarray(calibrator.X_thresholds_, np.float64)
    heights = np.asarray(calibrator.y_thresholds_, np.float64)
    if len(at) == 1:
        at, heights = np.array([at[0], at[0] + 1.0]), heights.repeat(2)
    if len(at) > MAX_KNOTS:
        raise UnsupportedModelError(
            f"an isotonic calibration of {len(at)} thresholds, up to {MAX_KNOTS} are supported; calibrate on fewer "
            "rows, or with method='sigmoid'"
        )
    return MemberCurve(tuple(at.tolist()), tuple(heights.tolist()))


def _check(graph: ModelGraph, estimator: Estimator, what: str) -> bool:
    """Whether it is scores that are calibrated, and not probabilities.

    Raises:
        UnsupportedModelError: it is neither.
    """
    if isinstance(graph, Mixture) or graph.link not in (Link.MARGIN, Link.SIGMOID, Link.SOFTMAX, Link.PROBABILITY):
        raise UnsupportedModelError(f"{what} around {type(estimator).__name__} is not supported")
    return hasattr(estimator, "decision_function")
