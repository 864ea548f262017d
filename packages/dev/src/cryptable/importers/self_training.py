"""scikit-learn's SelfTrainingClassifier: the estimator that it has fitted on labels of its own at last."""

from __future__ import annotations

from collections.abc import Collection

import numpy as np

from cryptable.graphs.graph import Estimator, FloatArray, ModelGraph, Rows
from cryptable.importers.registry import import_estimator, importer, reference_scores, takes_gaps


def _takes_gaps(estimator: Estimator) -> bool:
    return takes_gaps(estimator.estimator_)


def _reference(estimator: Estimator, rows: Rows) -> FloatArray:
    return np.asarray(reference_scores(estimator.estimator_, rows), np.float64)


@importer(
    "sklearn.semi_supervised.SelfTrainingClassifier", reference=_reference, needs_rows=True, takes_gaps=_takes_gaps
)
def read(
    estimator: Estimator, feature_names: tuple[str, ...], *, kept: Rows, rows: FloatArray, may_miss: Collection[int]
) -> ModelGraph:
    """As the estimator."""
    return import_estimator(estimator.estimator_, feature_names, kept, rows, may_miss)
