"""scikit-learn's classifiers with a threshold, fixed or tuned: labels by the scores of the classifier inside."""

from __future__ import annotations

import math
from collections.abc import Collection
from dataclasses import replace
from typing import Any

import numpy as np
from cryptable_protocol import Link
from cryptable_protocol.encoding.links import sigmoid

from cryptable.errors import UnsupportedModelError
from cryptable.graphs.client_side import ClientSide
from cryptable.graphs.graph import Estimator, FloatArray, ModelGraph, Rows, TreeEnsemble
from cryptable.importers.parts import wrapped
from cryptable.importers.reading.labels import labels_of
from cryptable.importers.reading.sums import is_part, scaled
from cryptable.importers.registry import import_estimator, importer, reference_scores, takes_gaps


def _takes_gaps(estimator: Estimator) -> bool:
    return takes_gaps(wrapped(estimator))


def _reference(estimator: Estimator, rows: Rows) -> FloatArray:
    """Scores of the classifier inside, less the one at which labels change."""
    inner = wrapped(estimator)
    scores = np.asarray(reference_scores(inner, rows), np.float64)
    link = Link.MARGIN
    if _by_probability(estimator):
        second = np.asarray(inner.predict_proba(rows), np.float64)[:, 1:]
        made = {Link.PROBABILITY: scores, Link.SIGMOID: sigmoid(scores), Link.SOFTMAX: sigmoid(2.0 * scores)}
        link = min(made, key=lambda each: float(np.abs(made[each] - second).max()))
    return scores - _cut(estimator, link)


@importer(
    "sklearn.model_selection.FixedThresholdClassifier",
    "sklearn.model_selection.TunedThresholdClassifierCV",
    reference=_reference,
    needs_rows=True,
    takes_gaps=_takes_gaps,
)
def read(
    estimator: Estimator, feature_names: tuple[str, ...], *, kept: Rows, rows: FloatArray, may_miss: Collection[int]
) -> ModelGraph:
    """Scores less the one at which labels change: above it the second label, so that there are no probabilities."""
    what, inner = type(estimator).__name__, wrapped(estimator)
    graph: Any = import_estimator(inner, feature_names, kept, rows, may_miss)
    if isinstance(graph, ClientSide) or not is_part(graph) or graph.outputs != 1:
        raise UnsupportedModelError(
            f"{what} around {type(inner).__name__} is not supported: compile its estimator_ alone, and let clients "
            "compare what predict_proba or decision_function gives with the threshold"
        )
    moved = replace(_less(graph, _cut(estimator, graph.link)), link=Link.MARGIN, labels=labels_of(inner.classes_, what))
    if isinstance(moved, TreeEnsemble):  # at the threshold itself, the label that is looked for is predicted
        moved = replace(moved, tie_is_second=_looks_for_second(estimator))
    found: ModelGraph = moved
    return found


def _less(graph: Any, number: float) -> Any:  # noqa: ANN401
    """Of trees, leaves less their part of it, so that what is rounded is 0 at the threshold."""
    if not isinstance(graph, TreeEnsemble) or not graph.trees:
        return scaled(graph, 1.0, -number)
    share = (number - graph.base) / len(graph.trees)
    trees = tuple(replace(tree, values=tree.values - share) for tree in graph.trees)
    return replace(graph, trees=trees, base=np.zeros_like(graph.base))


def _cut(estimator: Estimator, link: Link) -> float:
    """The score of the classifier inside above which its second label is predicted.

    Raises:
        UnsupportedModelError: a probability that no finite score has.
    """
    threshold = getattr(estimator, "best_threshold_", None)
    if threshold is None:
        threshold = estimator.threshold
    is_probability = _by_probability(estimator)
    if isinstance(threshold, str):  # "auto"
        threshold = 0.5 if is_probability else 0.0
    if not is_probability:
        return float(threshold if _looks_for_second(estimator) else -threshold)
    share = float(threshold if _looks_for_second(estimator) else 1.0 - threshold)
    if not 0.0 < share < 1.0:
        raise UnsupportedModelError(
            f"{type(estimator).__name__} has the threshold {threshold:.3g}, a probability at which every row or none "
            "gets the label: choose one between 0 and 1"
        )
    if link is Link.PROBABILITY:
        return share
    log_odds = math.log(share) - math.log1p(-share)
    return log_odds / 2 if link is Link.SOFTMAX else log_odds


def _by_probability(estimator: Estimator) -> bool:
    """Whether it is predict_proba that is compared with the threshold."""
    asked = estimator.response_method
    return bool(asked == "predict_proba" or (asked == "auto" and hasattr(wrapped(estimator), "predict_proba")))


def _looks_for_second(estimator: Estimator) -> bool:
    """Whether the label that is predicted from the threshold on is the second one."""
    scorer = getattr(estimator, "_curve_scorer", None)
    label = getattr(estimator, "pos_label", None) if scorer is None else scorer._get_pos_label()
    return label is None or bool(np.asarray(estimator.classes_)[1] == label)
