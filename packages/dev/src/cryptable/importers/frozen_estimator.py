"""scikit-learn's FrozenEstimator: the fitted estimator that it keeps from being fitted again."""

from __future__ import annotations

from collections.abc import Collection

import numpy as np

from cryptable.graphs.graph import Estimator, FloatArray, ModelGraph, Rows
from cryptable.importers.registry import import_estimator, importer, reference_scores, takes_gaps


def _takes_gaps(estimator: Estimator) -> bool:
    return takes_gaps(estimator.estimator)


def _reference(estimator: Estimator, rows: Rows) -> FloatArray:
    return np.asarray(reference_scores(estimator.estimator, rows), np.float64)


@importer("sklearn.frozen.FrozenEstimator", reference=_reference, needs_rows=True, takes_gaps=_takes_gaps)
def read(
    estimator: Estimator, feature_names: tuple[str, ...], *, kept: Rows, rows: FloatArray, may_miss: Collection[int]
) -> ModelGraph:
    """As the estimator inside."""
    return import_estimator(estimator.estimator, feature_names, kept, rows, may_miss)
