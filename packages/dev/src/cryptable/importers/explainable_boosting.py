"""interpret-core: explainable boosting machines, sums of step functions of one feature and of pairs."""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
from cryptable_protocol import Labels, Link

from cryptable.errors import UnsupportedModelError
from cryptable.graphs.additive import AdditiveModel, PairFunction, StepFunction
from cryptable.graphs.graph import Estimator, FloatArray, IntArray, Rows
from cryptable.importers.reading.labels import labels_of
from cryptable.importers.reading.linear_classifier import decision_function
from cryptable.importers.registry import importer

Bins: TypeAlias = Any
"""Cuts of a continuous feature (an array), or the index by category of a nominal one (a dictionary)."""

_LINKS = {"logit": Link.SIGMOID, "mlogit": Link.SOFTMAX, "vlogit": Link.SIGMOID}
_REGRESSION_LINKS = {"identity": Link.IDENTITY, "log": Link.EXPONENTIAL}


def _scores(estimator: Estimator, rows: Rows) -> FloatArray:
    from interpret.utils import link_func

    predicted = np.asarray(estimator.predict(rows), np.float64)
    return np.asarray(link_func(predicted, estimator.link_, estimator.link_param_), np.float64)


@importer("interpret.glassbox.ExplainableBoostingClassifier", reference=decision_function)
def read_classifier(estimator: Estimator, feature_names: tuple[str, ...]) -> AdditiveModel:
    """Log-odds, or logits of all classes."""
    what = type(estimator).__name__
    return _read(estimator, feature_names, _LINKS, labels_of(estimator.classes_, what))


@importer("interpret.glassbox.ExplainableBoostingRegressor", reference=_scores)
def read_regressor(estimator: Estimator, feature_names: tuple[str, ...]) -> AdditiveModel:
    """Predictions, or their logarithms."""
    return _read(estimator, feature_names, _REGRESSION_LINKS, None)


def _read(
    estimator: Estimator, feature_names: tuple[str, ...], links: dict[str, Link], labels: Labels | None
) -> AdditiveModel:
    what = type(estimator).__name__
    if estimator.link_ not in links:
        raise UnsupportedModelError(
            f"{what}: link {estimator.link_!r} (of objective {estimator.objective!r}) is not supported, "
            f"only {', '.join(links)}"
        )
    base = np.atleast_1d(np.asarray(estimator.intercept_, np.float64))
    functions, pairs = [], []
    for features, scores, name in zip(
        estimator.term_features_, estimator.term_scores_, estimator.term_names_, strict=True
    ):
        if len(features) > 2:
            raise UnsupportedModelError(
                f"{what}: term {name!r} is of {len(features)} features, only one or two are supported; "
                "fit with interactions= naming pairs"
            )
        values = np.asarray(scores, np.float64).reshape((*scores.shape[: len(features)], base.shape[0]))
        edges = []
        for axis, feature in enumerate(features):
            levels = estimator.bins_[feature]
            bins = levels[min(len(levels), len(features)) - 1]
            each, order = _steps(bins, f"{what}: feature {feature_names[feature]!r}")
            values = values.take(order, axis=axis)
            edges.append(each)
        if len(features) == 1:
            functions.append(StepFunction(int(features[0]), edges[0], values))
        else:
            pairs.append(PairFunction((int(features[0]), int(features[1])), (edges[0], edges[1]), values))
    return AdditiveModel(feature_names, tuple(functions), tuple(pairs), base, links[estimator.link_], labels)


def _steps(bins: Bins, where: str) -> tuple[FloatArray, IntArray]:
    """Edges, and the place in the term's scores for each number of edges reached.

    Scores hold the missing value first (which is refused), and what was never seen last.
    """
    if not isinstance(bins, dict):
        cuts = np.asarray(bins, np.float64)
        return cuts, np.arange(1, cuts.shape[0] + 2)
    try:
        known = sorted((float(category), index) for category, index in bins.items())
    except ValueError as error:
        raise UnsupportedModelError(
            f"{where} is nominal with categories that are no numbers; encode it as numbers before fitting"
        ) from error
    # A category is the one number itself: the next double is another one, never seen.
    edges: list[float] = []
    order = [-1]
    for category, index in known:
        if edges and edges[-1] == category:
            edges.pop()
            order.pop()
        edges += [category, float(np.nextafter(category, np.inf))]
        order += [index, -1]
    return np.array(edges), np.array(order)
