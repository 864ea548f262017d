"""scikit-learn's TransformedTargetRegressor: a regressor whose predictions a client transforms back."""

from __future__ import annotations

import warnings
from collections.abc import Collection
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from cryptable_protocol import Link

from cryptable.errors import UnsupportedModelError
from cryptable.graphs.graph import Estimator, FloatArray, ModelGraph, Rows
from cryptable.graphs.mixture import Mixture
from cryptable.graphs.transformed import Transformed, curve_of
from cryptable.importers.reading.sums import scaled
from cryptable.importers.registry import import_estimator, importer, reference_scores, takes_gaps

_SAME = 1e-9
"""Relative difference of doubles that are equal but for rounding."""


def _takes_gaps(estimator: Estimator) -> bool:
    return takes_gaps(estimator.regressor_)


def _inverse(estimator: Estimator, scores: FloatArray) -> FloatArray:
    """What the transformer makes of numbers of one target, shape (numbers,) both; NaN where it fails."""
    try:
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")  # of overflows far from the data: asked for
            found = estimator.transformer_.inverse_transform(scores.reshape(-1, 1))
    except ValueError:
        return np.full(scores.shape, np.nan)
    return np.asarray(found, np.float64).reshape(-1)


@dataclass(frozen=True)
class _Form:
    """An inverse that is slope * score + intercept, or e to the power of that."""

    link: Link
    slope: float
    intercept: float


def _form(estimator: Estimator) -> _Form | None:
    """What form the inverse has; None for any other."""
    grid = np.linspace(-3.0, 3.0, 61)
    heights = _inverse(estimator, grid)
    if not np.isfinite(heights).all():
        return None
    for link, made in ((Link.IDENTITY, heights), (Link.EXPONENTIAL, np.log(heights) if (heights > 0).all() else None)):
        if made is None:
            continue
        slope, intercept = np.polyfit(grid, made, 1)
        if np.abs(made - slope * grid - intercept).max() <= _SAME * max(1e-300, float(np.abs(made).max())):
            return _Form(link, float(slope), float(intercept))
    return None


def _reference(estimator: Estimator, rows: Rows) -> FloatArray:
    """The predictions, or their logarithms; the regressor's own scores where the inverse has another form."""
    scores = reference_scores(estimator.regressor_, rows)
    form = _form(estimator)
    if form is None:
        return scores
    predicted = np.asarray(estimator.predict(rows), np.float64)
    return np.log(predicted) if form.link is Link.EXPONENTIAL else predicted


@importer("sklearn.compose.TransformedTargetRegressor", reference=_reference, needs_rows=True, takes_gaps=_takes_gaps)
def read(
    estimator: Estimator, feature_names: tuple[str, ...], *, kept: Rows, rows: FloatArray, may_miss: Collection[int]
) -> ModelGraph:
    """An affine inverse goes into the scores; any other is a curve of them."""
    what = type(estimator).__name__
    graph: Any = import_estimator(estimator.regressor_, feature_names, kept, rows, may_miss)
    if graph.outputs != 1 or graph.link is not Link.IDENTITY or isinstance(graph, Mixture):
        raise UnsupportedModelError(
            f"{what} around {type(estimator.regressor_).__name__}: only regressors of one target without a link of "
            "their own are supported; compile its regressor_, and let clients invert the transform of the target"
        )
    form = _form(estimator)
    if form is not None:
        plain: ModelGraph = replace(scaled(graph, form.slope, form.intercept), link=form.link)
        return plain
    scores = reference_scores(estimator.regressor_, kept)[:, 0]
    return Transformed(graph, curve_of(lambda numbers: _inverse(estimator, numbers), scores, what=what))
