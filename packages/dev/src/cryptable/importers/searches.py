"""scikit-learn's fitted searches: the best estimator that they have found."""

from __future__ import annotations

from collections.abc import Collection

import numpy as np

from cryptable.errors import UnsupportedModelError
from cryptable.graphs.graph import Estimator, FloatArray, ModelGraph, Rows
from cryptable.importers.registry import import_estimator, importer, reference_scores, takes_gaps


def _best(estimator: Estimator) -> Estimator:
    if not hasattr(estimator, "best_estimator_"):
        raise UnsupportedModelError(
            f"{type(estimator).__name__} has kept no fitted estimator (refit={estimator.refit!r}); search with "
            "refit=True, or fit one with its best_params_ and compile that"
        )
    return estimator.best_estimator_


def _takes_gaps(estimator: Estimator) -> bool:
    return takes_gaps(_best(estimator))


def _reference(estimator: Estimator, rows: Rows) -> FloatArray:
    return np.asarray(reference_scores(_best(estimator), rows), np.float64)


@importer(
    "sklearn.model_selection.GridSearchCV",
    "sklearn.model_selection.HalvingGridSearchCV",
    "sklearn.model_selection.HalvingRandomSearchCV",
    "sklearn.model_selection.RandomizedSearchCV",
    reference=_reference,
    needs_rows=True,
    takes_gaps=_takes_gaps,
)
def read(
    estimator: Estimator, feature_names: tuple[str, ...], *, kept: Rows, rows: FloatArray, may_miss: Collection[int]
) -> ModelGraph:
    """As the best estimator."""
    return import_estimator(_best(estimator), feature_names, kept, rows, may_miss)
